/* Which parts of the host a bare machine sees, read-only. */

import * as Fs from "node:fs"
import { lstatIfThere } from "./files.js"

/** A part of the root: a link that is copied, or something of the host's that is bound. */
export type Part =
  | { readonly type: "link"; readonly path: string; readonly target: string }
  | { readonly type: "directory" | "file"; readonly path: string; readonly source: string }

const systemDirectories = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]

const etcParts = [
  "/etc/alternatives",
  "/etc/ca-certificates",
  "/etc/ca-certificates.conf",
  "/etc/ld.so.cache",
  "/etc/ld.so.conf",
  "/etc/ld.so.conf.d",
  "/etc/localtime",
  "/etc/pki/ca-trust/extracted",
  "/etc/pki/tls/cert.pem",
  "/etc/pki/tls/certs",
  "/etc/pki/tls/openssl.cnf",
  "/etc/protocols",
  "/etc/services",
  "/etc/ssl/cert.pem",
  "/etc/ssl/certs",
  "/etc/ssl/openssl.cnf",
  "/etc/terminfo"
]

// What may be shown of a link's target: nothing but system files lives there.
const isSystemPath = (path: string): boolean =>
  ["/usr/", "/lib/", "/lib64/", "/etc/ssl/", "/etc/pki/", "/etc/ca-certificates/", "/etc/alternatives/"].some(
    (prefix) => path.startsWith(prefix)
  )

const systemPart = (path: string): ReadonlyArray<Part> => {
  const stat = lstatIfThere(path)
  if (stat?.isDirectory()) return [{ type: "directory", path, source: path }]
  return stat?.isSymbolicLink() ? [{ type: "link", path, target: Fs.readlinkSync(path) }] : []
}

const etcPart = (path: string): ReadonlyArray<Part> => {
  const stat = lstatIfThere(path)
  if (stat === undefined) return []
  if (stat.isDirectory()) return [{ type: "directory", path, source: path }]
  if (stat.isFile()) return [{ type: "file", path, source: path }]
  if (!stat.isSymbolicLink() || !Fs.existsSync(path)) return []
  const real = Fs.realpathSync(path)
  if (!isSystemPath(real)) return []
  if (real.startsWith("/usr/")) return [{ type: "link", path, target: real }]
  return [{ type: Fs.statSync(real).isDirectory() ? "directory" : "file", path, source: real }]
}

/** The parts that this host has, in the order to mount them. */
export const parts = (): ReadonlyArray<Part> => [...systemDirectories.flatMap(systemPart), ...etcParts.flatMap(etcPart)]
