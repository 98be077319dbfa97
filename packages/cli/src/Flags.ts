/**
 * Every flag of the program, as data. The strict reading of the line (`Words`), the parser and its help (`Commands`) are
 * made from this one table, so they cannot disagree.
 *
 * @since 0.1.0
 */

/**
 * One flag.
 *
 * @since 0.1.0
 * @category models
 */
export interface Flag {
  /** Its long name, without dashes. */
  readonly name: string
  /** Its one-letter name, without the dash. */
  readonly short?: string
  /** What stands for its value in the help; a flag without one is a switch. */
  readonly value?: string
  /** The values it takes, where they are few. */
  readonly choices?: ReadonlyArray<string>
  /** Whether it may be given more than once. */
  readonly repeated?: boolean
  readonly description: string
}

/**
 * The flags that say what a launch is: for `run` and `plan` alike.
 *
 * @since 0.1.0
 * @category models
 */
export const launch = {
  image: {
    name: "image",
    value: "REF",
    description: "What to boot from: an image reference, a rootfs directory or an image archive"
  },
  from: { name: "from", value: "PACK", description: "Boot from a .smolmachine pack instead of an image" },
  allow: {
    name: "allow",
    value: "HOST|CIDR[:PORT]",
    repeated: true,
    description:
      "Let the guest reach this host through the proxy: HOST, *.HOST, HOST:PORT, an IP address or a range such as 10.0.0.0/8 (ports 80 and 443 where none is named). Nothing else can be reached"
  },
  deny: {
    name: "deny",
    value: "HOST|CIDR[:PORT]",
    repeated: true,
    description:
      "Keep the guest from this host or range, whatever allows it: HOST, *.HOST, an IP address or a range such as 10.0.0.0/8 (every port where none is named)"
  },
  policy: {
    name: "policy",
    value: "FILE",
    description:
      "A policy document (JSON); --allow, --deny and --resolve are added to it. SIGUSR2 makes a running bottle read it again"
  },
  resolve: {
    name: "resolve",
    value: "HOST=IP",
    repeated: true,
    description: "The address that an allowed host has for this bottle, private or not"
  },
  env: {
    name: "env",
    short: "e",
    value: "K[=V]",
    repeated: true,
    description:
      "K=V sets a variable of the guest; K alone passes your own K on as a secret, which is never part of a command line"
  },
  volume: {
    name: "volume",
    short: "v",
    value: "HOST:GUEST[:ro]",
    repeated: true,
    description: "Show a directory of yours to the guest"
  },
  workdir: {
    name: "workdir",
    short: "w",
    value: "DIR",
    description: "The guest's working directory, an absolute path"
  },
  timeout: {
    name: "timeout",
    value: "30s",
    description: "End the command after this long (ms, s, m, h); exit code 124"
  },
  interactive: { name: "interactive", short: "i", description: "Pass standard input on to the command" },
  tty: {
    name: "tty",
    short: "t",
    description: "Give the command a terminal; the default when standard input and output are one"
  },
  noTty: { name: "no-tty", description: "Give the command no terminal" },
  cpus: { name: "cpus", value: "N", description: "How many CPUs the guest has" },
  mem: { name: "mem", value: "MIB", description: "The guest's memory in MiB, or with a unit: 512M, 2G" },
  name: { name: "name", value: "NAME", description: "What the bottle's id begins with" },
  keepOnFailure: {
    name: "keep-on-failure",
    description: "Leave the machine in place when the launch or the command fails, without any network"
  },
  runtime: {
    name: "runtime",
    value: "smolvm|local|PATH",
    description:
      "What runs the machine; otherwise $BOTTLE_RUNTIME, smolvm where it is on PATH, the local runtime (namespaces, shared kernel)"
  },
  bundle: {
    name: "bundle",
    value: "process|container|none",
    choices: ["process", "container", "none"],
    description:
      "Where the egress proxy runs: beside the launch, in a container of its own, or nowhere, which leaves the guest without any network"
  },
  topology: {
    name: "topology",
    value: "socket|address",
    choices: ["socket", "address"],
    description:
      "How the guest reaches a bundle: through one mounted socket and no network, or by the one address that the runtime lets it reach"
  },
  unprovenEgress: {
    name: "unproven-egress",
    description:
      "Take a runtime that is not known to hold a policy, where the proof shows that it does; with one that is, take a guest in which nothing can be proven"
  },
  bundleImage: {
    name: "bundle-image",
    value: "REF",
    description:
      "The container bundle's image; otherwise $BOTTLE_BUNDLE_IMAGE, or one that is built where it is missing"
  },
  bundleBase: {
    name: "bundle-base",
    value: "IMAGE",
    description:
      "The image with Node.js that the bundle's own is built on; otherwise $BOTTLE_BUNDLE_BASE, or node:22-slim"
  },
  format: {
    name: "format",
    value: "text|json",
    choices: ["text", "json"],
    description: "How plans and failures are written"
  },
  report: {
    name: "report",
    value: "FILE",
    description: "Write a JSON record of the plan, the stages, the exit and the refusals, on failure too"
  },
  quiet: { name: "quiet", short: "q", description: "Say nothing but errors" }
} as const satisfies Record<string, Flag>

/**
 * The flag that `run` has and `plan` does not need.
 *
 * @since 0.1.0
 * @category models
 */
export const dryRun = {
  name: "dry-run",
  description: "Print the plan of the launch, and create nothing"
} as const satisfies Flag

/**
 * The flags that say which request `policy explain` is about.
 *
 * @since 0.1.0
 * @category models
 */
export const asked = {
  method: {
    name: "method",
    value: "METHOD",
    description: "Explain a request of plain HTTP with this method (GET where only --path is given), and not a tunnel"
  },
  path: { name: "path", value: "PATH", description: "Explain a request of plain HTTP for this path (/ without it)" }
} as const satisfies Record<string, Flag>

/**
 * The flags of each subcommand.
 *
 * @since 0.1.0
 * @category models
 */
export const bySubcommand: Readonly<Record<Subcommand, ReadonlyArray<Flag>>> = {
  run: [...Object.values(launch), dryRun],
  plan: Object.values(launch),
  doctor: [launch.runtime, launch.format],
  "policy check": [launch.format],
  "policy explain": [asked.method, asked.path, launch.format]
}

/**
 * What each subcommand takes beside flags, all of it needed; what `run` and `plan` run follows `--`.
 *
 * @since 0.1.0
 * @category models
 */
export const operands: Readonly<Record<Subcommand, ReadonlyArray<string>>> = {
  run: [],
  plan: [],
  doctor: [],
  "policy check": ["FILE"],
  "policy explain": ["FILE", "HOST[:PORT]"]
}

/**
 * The subcommands, in the order of the help.
 *
 * @since 0.1.0
 * @category models
 */
export const subcommands = ["run", "plan", "doctor", "policy check", "policy explain"] as const

/**
 * The name of a subcommand.
 *
 * @since 0.1.0
 * @category models
 */
export type Subcommand = (typeof subcommands)[number]
