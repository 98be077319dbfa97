/**
 * What a `FakeSmolvm` knows about its machines.
 *
 * @since 0.1.0
 */

/**
 * The state of a machine, in the words of `machine ls`.
 *
 * @since 0.1.0
 * @category models
 */
export type State = "created" | "running" | "stopped" | "failed" | "unreachable" | "frozen"

/**
 * What a machine may reach, as it was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Policy {
  /** Addresses and networks, as IP/PREFIX. */
  readonly cidrs: ReadonlyArray<string>
  /** Host names and address literals. */
  readonly hosts: ReadonlyArray<string>
  readonly localhostOnly: boolean
}

/**
 * A directory of the host in a machine.
 *
 * @since 0.1.0
 * @category models
 */
export interface Volume {
  readonly host: string
  readonly guest: string
  readonly readonly: boolean
}

/**
 * A connection that a machine tried to make, as `machine egress-events` tells it.
 *
 * @since 0.1.0
 * @category models
 */
export interface EgressEvent {
  /** RFC 3339, or empty. */
  readonly timestamp: string
  readonly operation: "connect" | "sendto" | "resolve"
  readonly dest: string
}

/**
 * A process of a machine, for as long as it runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface GuestProcess {
  /** Its number in the guest. */
  readonly pid: number
  readonly words: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

/**
 * A machine as the fake keeps it: what was asked for, and what came of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Machine {
  readonly name: string
  readonly state: State
  /** The number of its hypervisor process on the host, while that runs; no real process has it. */
  readonly pid: number | null
  /** Seconds since 1970, by the clock of the fiber that created it. */
  readonly createdAtSeconds: number
  /** The image as it was asked for. */
  readonly image: string | null
  /** Whether `image` is an archive or a directory of the host. */
  readonly isLocalImage: boolean
  /** The pack that it was made from. */
  readonly from: string | null
  readonly entrypoint: ReadonlyArray<string>
  /** The command that it was created with, or its image's. */
  readonly cmd: ReadonlyArray<string>
  readonly init: ReadonlyArray<string>
  /** Whether the init commands have run: once per machine. */
  readonly initCompleted: boolean
  readonly cpus: number
  readonly memoryMib: number
  readonly storageGib: number | null
  readonly overlayGib: number | null
  readonly volumes: ReadonlyArray<Volume>
  readonly ports: ReadonlyArray<{ readonly host: number; readonly guest: number }>
  readonly sockets: ReadonlyArray<string>
  readonly env: ReadonlyArray<readonly [string, string]>
  /** Guest variables and the host variables that they are read from at each start and exec. */
  readonly secretEnv: ReadonlyArray<readonly [string, string]>
  /** Guest variables and the files of the host that they are read from. */
  readonly secretFiles: ReadonlyArray<readonly [string, string]>
  readonly workdir: string | null
  readonly labels: Readonly<Record<string, string>>
  readonly network: boolean
  /** The backend that was chosen; `null` where there is no network. */
  readonly netBackend: "tsi" | "virtio-net" | null
  /** The policy that was kept with the machine; `null` where none was asked for, or where it was dropped. */
  readonly policy: Policy | null
  /** Whether the backend holds that policy: never where there is none. */
  readonly isPolicyHeld: boolean
  /** Whether the user's ssh agent is offered in it: a start without one fails. */
  readonly sshAgent: boolean
  readonly gpu: boolean
  readonly gpuVramMib: number | null
  readonly cuda: boolean
  readonly ephemeral: boolean
  readonly forkable: boolean
  readonly forkPoolSize: number | null
  readonly cudaVramLimitMib: number | null
  readonly forkpointHeld: boolean
  /** The machine that it was forked from. */
  readonly golden: string | null
  /** Regular files of the guest that its commands see, by absolute path. */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** Files that a copy has put beneath a live overlay, where no command sees them: images before 1.7.3. */
  readonly hiddenFiles: ReadonlyMap<string, Uint8Array>
  /** Whether a command has run since its start. */
  readonly hasRunCommand: boolean
  readonly egressEvents: ReadonlyArray<EgressEvent>
}
