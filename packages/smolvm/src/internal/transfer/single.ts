/*
 * One file by the runtime's own copy. It keeps no mode, and before 1.7.3 it writes beneath what the commands of an image
 * machine see, except below `/workspace`: there a file goes by that way, and comes as the output of `cat`.
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Archive from "../../Archive.js"
import { type ArchiveError, ArchiveTooLarge } from "../../ArchiveError.js"
import * as Capabilities from "../../Capabilities.js"
import type { Endpoint } from "../../Transfer.js"
import { GuestPathRefused, type TransferFailed } from "../../TransferError.js"
import { attempt } from "../archive/run.js"
import { aside, writeAll } from "./aside.js"
import { clean, probe } from "./guest.js"
import { shown } from "./paths.js"
import { feed, outputOf } from "./tar.js"
import * as Words from "./words.js"

const WORKSPACE = "/workspace"

/** Whether the runtime's own copy and the commands of the guest mean the same file by a path. */
const reaches = ({ capabilities, isBare }: Pick<Endpoint<never>, "capabilities" | "isBare">, guest: string): boolean =>
  capabilities.cpReachesWorkload || isBare || guest.startsWith(`${WORKSPACE}/`)

// Into its place by a rename, so that it is there as a whole or not at all.
const PLACE = `[ ! -d "$2/$4" ] || { echo "it is a directory" >&2; exit 1; }
mkdir -p -- "$2" && cat <"$1" >"$2/$3" && mv -f -- "$2/$3" "$2/$4"
code=$?
rm -f -- "$2/$3" 2>/dev/null
exit "$code"`

/** By `/workspace`, from where the guest's own shell takes it. */
const throughWorkspace = <E>(
  endpoint: Endpoint<E>,
  { guest, host }: { readonly host: string; readonly guest: string }
): Effect.Effect<void, GuestPathRefused | ArchiveError | TransferFailed | E> =>
  Effect.scoped(
    Effect.gen(function* () {
      if (Option.isNone(yield* probe(endpoint, []))) {
        return yield* new GuestPathRefused({
          path: shown(guest),
          reason: `is not where smolvm ${endpoint.capabilities.version} would write it, and the guest has no shell to move it`,
          advice: `Name a file below ${WORKSPACE}, or use smolvm 1.7.3 or later.`
        })
      }
      const name = `.bottle-${randomBytes(6).toString("hex")}`
      const staged = `${WORKSPACE}/${name}`
      yield* Effect.addFinalizer(() => clean(endpoint, staged))
      yield* endpoint.cpIn({ host, guest: staged })
      const place = [staged, Path.posix.dirname(guest), name, Path.posix.basename(guest)]
      yield* feed(endpoint, ["sh", "-c", PLACE, "sh", ...place], undefined, guest)
    })
  )

/** What a single file is sent with: `mode` only where it is asked for. */
export interface Sent {
  /** Of this machine, a regular file. */
  readonly source: string
  /** Of the guest, absolute. */
  readonly guest: string
  readonly mode?: number | undefined
  readonly limits?: Archive.Limits | undefined
  readonly onProgress?: ((counts: Archive.Counts) => void) | undefined
}

/** Sends one file. It is read first, so that what the runtime sends is what was looked at. */
export const send = <E>(
  endpoint: Endpoint<E>,
  { guest, mode, source, ...options }: Sent
): Effect.Effect<Archive.Counts, ArchiveError | GuestPathRefused | TransferFailed | E> =>
  Effect.scoped(
    Effect.gen(function* () {
      const host = yield* aside(endpoint)
      const above = yield* attempt(host, () => Fs.realpathSync(Path.dirname(host)))
      const { counts } = yield* Archive.create({ path: source, name: "file", ...options }).pipe(
        Archive.extract({ path: Path.join(above, Path.basename(host)), kind: "file" })
      )
      const isDirect = reaches(endpoint, guest)
      const hasMode = isDirect && Capabilities.has(endpoint.capabilities, "machine cp", "--mode")
      yield* isDirect
        ? endpoint.cpIn({ host, guest, ...(hasMode && mode !== undefined ? { mode } : {}) })
        : throughWorkspace(endpoint, { host, guest })
      if (mode !== undefined && !hasMode) {
        yield* feed(endpoint, ["chmod", mode.toString(8).padStart(4, "0"), guest], undefined, guest)
      }
      return counts
    })
  )

/** By the output of `cat`, no more of it than the limit. */
const byOutput = <E>(
  endpoint: Endpoint<E>,
  { guest, host }: { readonly host: string; readonly guest: string },
  { bytes: max }: Archive.Limits
): Effect.Effect<void, ArchiveError | TransferFailed | E> =>
  Effect.scoped(
    Effect.gen(function* () {
      const descriptor = yield* Effect.acquireRelease(
        attempt(host, () => Fs.openSync(host, "wx", 0o644)),
        (opened) => Effect.sync(() => Fs.closeSync(opened))
      )
      let written = 0
      yield* Stream.runForEach(outputOf(endpoint, ["cat", guest], guest, Words.make()), (bytes) =>
        attempt(host, () => {
          written += bytes.length
          if (written > max) throw new ArchiveTooLarge({ limit: "bytes", max })
          writeAll(descriptor, bytes)
        })
      )
    })
  )

/** What a single file is fetched with: `mode` only where it is asked for. */
export interface Fetched {
  /** Of the guest, absolute. */
  readonly guest: string
  readonly mode?: number | undefined
  readonly limits?: Archive.Limits | undefined
  readonly extract: (archive: Stream.Stream<Uint8Array, ArchiveError>) => Effect.Effect<Archive.Extracted, ArchiveError>
}

/** Fetches one file. The runtime writes it aside, since it would follow whatever the guest puts in its way. */
export const fetch = <E>(
  endpoint: Endpoint<E>,
  { extract, guest, limits, mode }: Fetched
): Effect.Effect<Archive.Extracted, ArchiveError | TransferFailed | E> =>
  Effect.scoped(
    Effect.gen(function* () {
      const path = yield* aside(endpoint)
      yield* reaches(endpoint, guest)
        ? endpoint.cpOut({ guest, host: path })
        : byOutput(endpoint, { guest, host: path }, limits ?? Archive.defaultLimits)
      // What the guest had made a link must not become a file of this machine.
      const above = yield* attempt(path, () => Fs.realpathSync(Path.dirname(path)))
      if (mode !== undefined) yield* attempt(path, () => setMode(path, mode))
      return yield* extract(Archive.create({ path: Path.join(above, Path.basename(path)), name: "file", limits }))
    })
  )

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = Fs.constants

/** Not through a link. */
const setMode = (path: string, mode: number): void => {
  const descriptor = Fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    Fs.fchmodSync(descriptor, mode)
  } finally {
    Fs.closeSync(descriptor)
  }
}
