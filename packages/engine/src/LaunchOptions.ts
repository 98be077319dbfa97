/**
 * What a caller asks of a launch, before anything is decided.
 *
 * @since 0.1.0
 */
import type { PolicyDocument } from "@bottle/egress/Policy"

/**
 * What a machine boots from.
 *
 * - `Bare`: no image; on smolvm a bare VM, on the local runtime the host's own read-only programs
 * - `Image`: a registry reference, a rootfs directory or an image archive
 * - `Pack`: a `.smolmachine` file
 *
 * @since 0.1.0
 * @category models
 */
export type MachineSource =
  | { readonly _tag: "Bare" }
  | { readonly _tag: "Image"; readonly reference: string }
  | { readonly _tag: "Pack"; readonly path: string }

/**
 * A directory of the host that the guest sees.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mount {
  /** An absolute path of a directory on the host. */
  readonly host: string
  /** An absolute path in the guest. */
  readonly guest: string
  readonly readonly: boolean
}

/**
 * A directory of the host that the guest works on.
 *
 * - `source`: an absolute path
 * - `mode`: `copy` gives it a copy of its own, which `@bottle/engine/Workspace` takes back; `ro` shows it, and `rw` lets
 *   it be changed in place
 *
 * @since 0.1.0
 * @category models
 */
export interface Workspace {
  readonly source: string
  readonly mode: "copy" | "ro" | "rw"
}

/**
 * Where the daemons run through which all egress goes: beside the launch, in a container of their own, or nowhere,
 * which leaves the guest without any network.
 *
 * @since 0.1.0
 * @category models
 */
export type BundleKind = "process" | "container" | "none"

/**
 * How the guest reaches its bundle.
 *
 * - `socket`: through one Unix socket of the host, mounted in a guest that has no network at all
 * - `address`: over a network on which the runtime lets the guest reach the bundle's address and nothing else
 *
 * @since 0.1.0
 * @category models
 */
export type Topology = "socket" | "address"

/**
 * The isolation that a caller insists on. `any` takes what the chosen runtime gives.
 *
 * @since 0.1.0
 * @category models
 */
export type IsolationDemand = "any" | "microvm"

/**
 * Everything that a launch can be told. Only `source` is required; the rest defaults to a bottle without any egress,
 * mounts or environment of its own.
 *
 * @since 0.1.0
 * @category models
 */
export interface LaunchOptions {
  /** The slug of the bottle's id; `box` when absent. */
  readonly name?: string | undefined
  readonly source: MachineSource
  /** A policy as it is written in a file; `allow`, `deny` and `resolve` are added to it. */
  readonly policy?: PolicyDocument | undefined
  /** The file that `policy` was read from, by its absolute path: what is allowed for good is written there. */
  readonly policyFile?: string | undefined
  /** Egress rules, `HOST`, `*.HOST`, `HOST:PORT`, an IP literal or a CIDR; nothing else is reachable. */
  readonly allow?: ReadonlyArray<string> | undefined
  /** Rules of the same forms that win over everything that allows. */
  readonly deny?: ReadonlyArray<string> | undefined
  /** `HOST=IP` pins: the address that a name has for this bottle, private or not. */
  readonly resolve?: ReadonlyArray<string> | undefined
  /** Credentials by name, as in a policy: one takes the place of the policy's of that name. */
  readonly credentials?: PolicyDocument["credentials"]
  /** Literal variables of the guest, later entries win. They are visible in argv: secrets belong in `secrets`. */
  readonly env?: ReadonlyArray<readonly [name: string, value: string]> | undefined
  /** Names of variables whose values the launch is given apart from the plan, and which never enter argv. */
  readonly secrets?: ReadonlyArray<string> | undefined
  readonly mounts?: ReadonlyArray<Mount> | undefined
  /** The directory that the guest works on, at `/workspace`, which is its working directory then. */
  readonly workspace?: Workspace | undefined
  /** The guest's working directory for every command that does not name its own. */
  readonly workdir?: string | undefined
  readonly cpus?: number | undefined
  /** MiB. */
  readonly memMib?: number | undefined
  /** When absent: `process` where the runtime can reach it, else `container` where the runtime holds a policy. */
  readonly bundle?: BundleKind | undefined
  /** When absent: `socket` where it reaches the guest's commands, else `address`. */
  readonly topology?: Topology | undefined
  /**
   * Takes a runtime that is not known to hold an address policy: then the proof alone decides, and must succeed. With
   * one that is, takes a guest in which nothing can be proven.
   */
  readonly unprovenEgress?: boolean | undefined
  readonly isolation?: IsolationDemand | undefined
  /**
   * Leaves the machine in place when the scope closes with a failure, and says its name. Not in the topology `address`:
   * what has that address later need not be this bottle's.
   */
  readonly keepOnFailure?: boolean | undefined
  /** Makes the pack of an image anew even where one is cached. */
  readonly refreshPack?: boolean | undefined
  /** How long the machine may take from started to its first successful exec, in milliseconds; 60000 when absent. */
  readonly readyTimeoutMillis?: number | undefined
}
