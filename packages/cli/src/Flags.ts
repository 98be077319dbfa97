/**
 * Every flag of the program, as data. The strict reading of the line (`Words`), the parser and its help (`Commands`) are
 * made from this one table, so they cannot disagree.
 *
 * @since 0.1.0
 */

/**
 * What a shell offers for a value, where it is not one of few words that are always the same: files and directories of
 * this machine, names of your own variables, runtimes, or what `bottle completion` lists.
 *
 * @since 0.1.0
 * @category models
 */
export type Offered =
  | "file"
  | "directory"
  | "variable"
  | "runtime"
  | "endpoint"
  | "bottles"
  | "records"
  | "manifest-bottles"
  | "manifest-agents"

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
  /** What a shell offers for its value. */
  readonly offers?: Offered
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
    offers: "file",
    description: "What to boot from: an image reference, a rootfs directory or an image archive"
  },
  from: {
    name: "from",
    value: "PACK",
    offers: "file",
    description: "Boot from a .smolmachine pack instead of an image"
  },
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
    offers: "file",
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
    offers: "variable",
    repeated: true,
    description:
      "K=V sets a variable of the guest; K alone passes your own K on as a secret, which is never part of a command line"
  },
  volume: {
    name: "volume",
    short: "v",
    value: "HOST:GUEST[:ro]",
    offers: "directory",
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
    description:
      "Leave the machine in place when the launch or the command fails, without any network: bottle shell looks into it, bottle down removes it"
  },
  runtime: {
    name: "runtime",
    value: "smolvm|local|PATH",
    offers: "runtime",
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
  manifest: {
    name: "manifest",
    value: "FILE",
    offers: "file",
    description:
      "The manifest that --bottle and --agent are looked for in; otherwise bottle.json in bottle's configuration directory"
  },
  bottle: {
    name: "bottle",
    value: "NAME",
    offers: "manifest-bottles",
    description: "Begin with what the manifest says of this bottle; the other flags add to it, or replace it"
  },
  agent: {
    name: "agent",
    value: "NAME",
    offers: "manifest-agents",
    description:
      "Run this agent of the manifest, or one that bottle knows (claude, codex): its command, its hosts and its credential; what follows -- is its prompt"
  },
  workspace: {
    name: "workspace",
    value: "DIR[:copy|:ro|:rw]",
    offers: "directory",
    description:
      "The directory that the command works on, at /workspace: a copy, which bottle diff shows and bottle apply takes back; ro shows it, rw lets it be changed in place"
  },
  trace: {
    name: "trace",
    value: "FILE",
    offers: "file",
    description: "Write when each stage and each process began and ended, for Perfetto or chrome://tracing"
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
    offers: "file",
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
 * The flags of `up` beside those of a launch.
 *
 * @since 0.1.0
 * @category models
 */
export const background = {
  name: {
    name: "name",
    value: "NAME",
    description: "What the bottle is called; no other bottle that lives may be called so"
  },
  ttl: { name: "ttl", value: "2h", description: "Take the bottle down after this long (ms, s, m, h, d)" },
  idle: {
    name: "idle",
    value: "30m",
    description:
      "Take the bottle down when no command has run in it, and it has asked for nothing, for this long (ms, s, m, h, d)"
  },
  interactive: {
    name: "interactive",
    short: "i",
    description: "Keep the command's standard input open, for whoever attaches to it"
  }
} as const satisfies Record<string, Flag>

/**
 * The flags of what is done with bottles that live, beside those they have of `launch`.
 *
 * @since 0.1.0
 * @category models
 */
export const living = {
  allDown: { name: "all", description: "Take down every bottle" },
  allLeftovers: {
    name: "all",
    description:
      "Take what was kept on purpose too, whose owner cannot be seen, and what may be another state directory's"
  },
  allRecorded: { name: "all", short: "a", description: "List the bottles that are down and have a record, too" },
  dryRun: { name: "dry-run", description: "Say what would be removed, and remove nothing" },
  follow: { name: "follow", short: "f", description: "Go on with what comes, until the bottle is down" },
  force: {
    name: "force",
    description: "Although commands run in the bottle, which this ends"
  },
  format: {
    name: "format",
    value: "text|json",
    choices: ["text", "json"],
    description: "How the answer is written, and a failure"
  },
  failureFormat: {
    name: "format",
    value: "text|json",
    choices: ["text", "json"],
    description: "How failures are written; what the command prints is its own"
  },
  input: { name: "interactive", short: "i", description: "Pass standard input on, even where it is no terminal" },
  maxSize: {
    name: "max-size",
    value: "5G",
    description: "Remove the oldest until what is left takes no more than this (K, M, G, T)"
  },
  older: {
    name: "older",
    value: "30d",
    description: "Remove what was not used for this long (m, h, d, w); 30d where neither this nor --max-size is given"
  },
  only: {
    name: "only",
    value: "launch|bundle|decisions|output",
    choices: ["launch", "bundle", "decisions", "output"],
    repeated: true,
    description: "Only what comes from there"
  },
  output: { name: "output", short: "o", value: "PACK", offers: "file", description: "The file that the pack becomes" },
  packs: { name: "packs", description: "Packs only, unless --records is given too" },
  quietIds: { name: "quiet", short: "q", description: "Print ids only" },
  records: { name: "records", description: "Records only, with their logs, unless --packs is given too" },
  waitTimeout: {
    name: "timeout",
    value: "30s",
    description: "Wait no longer than this (ms, s, m, h); exit code 124"
  }
} as const satisfies Record<string, Flag>

/**
 * The flags of what is done with manifests, with what an agent changed, and with the program itself.
 *
 * @since 0.1.0
 * @category models
 */
export const authoring = {
  manifest: {
    ...launch.manifest,
    description: "The manifest; otherwise bottle.json in bottle's configuration directory"
  },
  overwrite: { name: "force", description: "Although there is a manifest, which this replaces" },
  stat: { name: "stat", description: "Only which files, and how much of them" },
  applyDryRun: { name: "dry-run", description: "Say what would be changed, and change nothing" },
  applyForce: {
    name: "force",
    description:
      "Although you changed the same files, whose changes this replaces; and with what git would run by itself, its configuration and hooks"
  },
  discard: { name: "discard", description: "Throw the copy away, and change nothing" },
  saveTo: {
    name: "save",
    value: "FILE",
    offers: "file",
    description:
      "The policy document that hosts are added to for good; otherwise the one that the bottle was launched with"
  }
} as const satisfies Record<string, Flag>

/** What is about a command that is waited for. */
const { interactive, noTty, report: _, timeout, tty, ...lasting } = launch

/**
 * The flags of a launch that `up` takes: all but those about a command that is waited for.
 *
 * @since 0.1.0
 * @category models
 */
export const lastingLaunch = {
  ...lasting,
  ...background,
  policy: {
    ...launch.policy,
    description: "A policy document (JSON); --allow, --deny and --resolve are added to it. It is read once"
  }
} as const satisfies Record<string, Flag>

/**
 * The subcommands, in the order of the help.
 *
 * @since 0.1.0
 * @category models
 */
export const subcommands = [
  "run",
  "plan",
  "up",
  "exec",
  "shell",
  "attach",
  "cp",
  "logs",
  "ls",
  "inspect",
  "down",
  "wait",
  "commit",
  "prune",
  "cleanup",
  "diff",
  "apply",
  "init",
  "config",
  "doctor",
  "policy check",
  "policy explain",
  "policy watch",
  "schema",
  "completion"
] as const

/**
 * The name of a subcommand.
 *
 * @since 0.1.0
 * @category models
 */
export type Subcommand = (typeof subcommands)[number]

/**
 * The flags of each subcommand.
 *
 * @since 0.1.0
 * @category models
 */
export const bySubcommand: Readonly<Record<Subcommand, ReadonlyArray<Flag>>> = {
  run: [...Object.values(launch), dryRun],
  plan: Object.values(launch),
  up: [...Object.values(lastingLaunch), dryRun],
  exec: [launch.env, launch.workdir, timeout, interactive, tty, noTty, living.failureFormat],
  shell: [launch.env, launch.workdir, living.failureFormat],
  attach: [living.input, living.failureFormat],
  cp: [launch.quiet, living.format],
  logs: [living.follow, living.only, living.format],
  ls: [living.allRecorded, living.quietIds, living.format],
  inspect: [living.format],
  down: [living.allDown, living.format],
  wait: [living.waitTimeout, living.format],
  commit: [living.output, living.force, living.format],
  prune: [living.older, living.maxSize, living.packs, living.records, living.dryRun, living.format],
  cleanup: [living.dryRun, living.allLeftovers, living.format],
  doctor: [launch.runtime, living.format],
  "policy check": [living.format],
  "policy explain": [asked.method, asked.path, living.format],
  "policy watch": [authoring.saveTo, living.format],
  diff: [authoring.stat, living.format],
  apply: [authoring.applyDryRun, authoring.applyForce, authoring.discard, living.format],
  init: [authoring.manifest, authoring.overwrite, living.format],
  config: [authoring.manifest, launch.bottle, launch.agent, living.format],
  schema: [living.failureFormat],
  completion: [living.failureFormat]
}

/**
 * What a subcommand takes beside flags.
 *
 * - `many`: whether there may be more than one
 * - `unless`: the switch that stands for all of them
 * - `choices`, `offers`: what a shell offers for it
 *
 * @since 0.1.0
 * @category models
 */
export interface Operand {
  readonly name: string
  readonly many?: boolean
  readonly unless?: string
  readonly choices?: ReadonlyArray<string>
  readonly offers?: Offered
}

const bottle: ReadonlyArray<Operand> = [{ name: "NAME", offers: "bottles" }]

/** What is told of a bottle that is down, too. */
const recorded: ReadonlyArray<Operand> = [{ name: "NAME", offers: "records" }]

/**
 * The documents whose JSON Schema `schema` prints.
 *
 * @since 0.1.0
 * @category models
 */
export const documents = [
  "manifest",
  "policy",
  "plan",
  "event",
  "record",
  "error",
  "report",
  "notice",
  "up",
  "cp",
  "logs",
  "ls",
  "inspect",
  "down",
  "wait",
  "commit",
  "prune",
  "cleanup",
  "diff",
  "apply",
  "init",
  "config",
  "doctor",
  "policy-check",
  "policy-explain",
  "policy-watch",
  "policy-decision",
  "version"
] as const

/**
 * The shells that `completion` writes a script for.
 *
 * @since 0.1.0
 * @category models
 */
export const shells = ["bash", "zsh", "fish"] as const

/**
 * What those scripts ask for: `completion` lists it, one word a line.
 *
 * @since 0.1.0
 * @category models
 */
export const lists = ["bottles", "records", "manifest-bottles", "manifest-agents"] as const

/**
 * What each subcommand takes beside flags, in its order.
 *
 * @since 0.1.0
 * @category models
 */
export const operands: Readonly<Record<Subcommand, ReadonlyArray<Operand>>> = {
  run: [],
  plan: [],
  up: [],
  exec: bottle,
  shell: bottle,
  attach: bottle,
  cp: [
    { name: "SOURCE", offers: "endpoint" },
    { name: "DESTINATION", offers: "endpoint" }
  ],
  logs: recorded,
  ls: [],
  inspect: recorded,
  down: [{ name: "NAME", many: true, unless: "all", offers: "bottles" }],
  wait: recorded,
  commit: bottle,
  prune: [],
  cleanup: [],
  doctor: [],
  "policy check": [{ name: "FILE", offers: "file" }],
  "policy explain": [{ name: "FILE", offers: "file" }, { name: "HOST[:PORT]" }],
  "policy watch": bottle,
  diff: bottle,
  apply: bottle,
  init: [],
  config: [],
  schema: [{ name: "DOCUMENT", choices: documents }],
  completion: [{ name: "SHELL", choices: shells }]
}

/**
 * The flags without which a subcommand says nothing that can be done.
 *
 * @since 0.1.0
 * @category models
 */
export const needed: Readonly<Partial<Record<Subcommand, Flag>>> = { commit: living.output }

/**
 * Whether a subcommand takes a command of the guest after `--`: it must be there, it may be, or there is none.
 *
 * @since 0.1.0
 * @category models
 */
export const tails: Readonly<Record<Subcommand, "needed" | "taken" | "none">> = {
  run: "needed",
  plan: "taken",
  up: "taken",
  exec: "needed",
  shell: "none",
  attach: "none",
  cp: "none",
  logs: "none",
  ls: "none",
  inspect: "none",
  down: "none",
  wait: "none",
  commit: "none",
  prune: "none",
  cleanup: "none",
  doctor: "none",
  "policy check": "none",
  "policy explain": "none",
  "policy watch": "none",
  diff: "none",
  apply: "none",
  init: "none",
  config: "none",
  schema: "none",
  completion: "none"
}
