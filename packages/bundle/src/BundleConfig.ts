/**
 * What the egress daemon is told: a directory that the launch writes and the container can only read.
 *
 * @since 0.1.0
 */
import * as Interfaces from "@bottle/egress/Interfaces"
import { limits } from "@bottle/egress/PolicyDocument"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { visible } from "./BundleOutput.js"

/**
 * The directory in the container.
 *
 * @since 0.1.0
 * @category models
 */
export const DIRECTORY = "/etc/bottle"

/**
 * The files of the directory: the policy as a `PolicyDocument`, the text that the proxy answers to show that it is this
 * one, and, where it is there, the addresses of the host, one to a line, which a name must not turn out to have.
 *
 * @since 0.1.0
 * @category models
 */
export const files = { policy: "policy.json", proof: "proof", hostAddresses: "host-addresses" } as const

/**
 * A file of the configuration cannot be used; `code` is the system's name for the cause where it has one.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConfigUnreadable extends Schema.TaggedError<ConfigUnreadable>("@bottle/bundle/ConfigUnreadable")(
  "ConfigUnreadable",
  {
    file: Schema.String,
    reason: Schema.Literal("unreadable", "too-large", "not-a-proof"),
    code: Schema.NullOr(Schema.String)
  }
) {
  override get message(): string {
    const why = {
      unreadable: `it cannot be read: the system says ${this.code ?? "no"}`,
      "too-large": "it is too large",
      "not-a-proof": "it is not one line of visible ASCII without spaces"
    }[this.reason]
    return `${this.file} cannot be used: ${why}`
  }

  /** What to do next. */
  get suggestion(): string {
    return `Put ${Object.values(files).slice(0, 2).join(" and ")} into the directory, readable for the bundle's user`
  }
}

const maxProofBytes = 256
const maxHostAddressesBytes = 64 * 1024

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "UNKNOWN"

const read = (directory: string, name: string, maxBytes: number): Effect.Effect<string, ConfigUnreadable> =>
  Effect.suspend(() => {
    const path = Path.join(directory, name)
    const file = visible(path, 512)
    let descriptor: number | undefined
    try {
      descriptor = Fs.openSync(path, "r")
      const bytes = Buffer.alloc(Math.min(Fs.fstatSync(descriptor).size, maxBytes) + 1)
      const length = Fs.readSync(descriptor, bytes, 0, bytes.length, 0)
      return length > maxBytes
        ? Effect.fail(new ConfigUnreadable({ file, reason: "too-large", code: null }))
        : Effect.succeed(bytes.toString("utf8", 0, length))
    } catch (error) {
      return Effect.fail(new ConfigUnreadable({ file, reason: "unreadable", code: codeOf(error) }))
    } finally {
      if (descriptor !== undefined) Fs.closeSync(descriptor)
    }
  })

/**
 * The text of the policy.
 *
 * @since 0.1.0
 * @category constructors
 */
export const policyText = (directory: string): Effect.Effect<string, ConfigUnreadable> =>
  read(directory, files.policy, limits.bytes)

/**
 * What the text of a policy is called in an answer to a reload: sixteen hexadecimal digits, so that an answer that comes
 * late is not taken for the answer about another policy.
 *
 * @since 0.1.0
 * @category conversions
 */
export const policyDigest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16)

/**
 * The text that the proxy answers for itself.
 *
 * @since 0.1.0
 * @category constructors
 */
export const proof = (directory: string): Effect.Effect<string, ConfigUnreadable> =>
  Effect.flatMap(read(directory, files.proof, maxProofBytes), (text) => {
    const nonce = text.trim()
    return /^[\x21-\x7e]+$/.test(nonce)
      ? Effect.succeed(nonce)
      : Effect.fail(
          new ConfigUnreadable({
            file: visible(Path.join(directory, files.proof), 512),
            reason: "not-a-proof",
            code: null
          })
        )
  })

const hostAddresses = (directory: string): Effect.Effect<ReadonlyArray<string>, ConfigUnreadable> =>
  read(directory, files.hostAddresses, maxHostAddressesBytes).pipe(
    Effect.map((text) => text.split("\n").flatMap((line) => (line.trim() === "" ? [] : [line.trim()]))),
    Effect.catchAll((error) => (error.code === "ENOENT" ? Effect.succeed([]) : Effect.fail(error)))
  )

/**
 * The addresses of the container and, as far as the launch has written them down, of its host, which is reached through
 * the container's network.
 *
 * @since 0.1.0
 * @category constructors
 */
export const interfaces = (directory: string): Interfaces.Interfaces => ({
  addresses: Effect.zipWith(
    Interfaces.system.addresses,
    Effect.mapError(hostAddresses(directory), () => new Interfaces.InterfacesUnreadable()),
    (own, host) => [...own, ...host]
  )
})
