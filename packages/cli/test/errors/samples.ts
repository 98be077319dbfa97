/**
 * Values that fields of errors have in examples: by the class where it matters, else by the name of the field, else what
 * the field's schema takes.
 */
import * as AST from "effect/SchemaAST"

const ID = "agent-1a2b3"

/** What a field of this name holds in an example. */
const byField: Readonly<Record<string, unknown>> = {
  address: "10.91.0.2",
  variable: "DOCKER_HOST",
  text: "http://x/",
  source: "/home/me/project",
  platform: "darwin",
  near: "agent",
  mount: "./project:/workspace",
  member: "../../etc/passwd",
  limit: "connectionsMax",
  lastFailure: "exit code 137",
  known: ["egress"],
  holder: "web",
  expected: "running",
  entry: "example..com",
  directory: "/home/me/.local/state/bottle/records/agent-1a2b3",
  credential: "anthropic",
  code: "EACCES",
  circumstance: "with --from",
  actual: "stopped",
  argv: ["machine", "start", "--name", `bottle-${ID}`],
  bottle: ID,
  capBytes: 1_048_576,
  client: "28.1.1",
  clientVersion: "28.1.1",
  command: "machine start",
  container: `bottle-${ID}`,
  exitCode: 1,
  file: "policy.json",
  fix: "install util-linux",
  guest: "/workspace",
  host: "example.com",
  id: ID,
  image: "alpine:3",
  key: "mem",
  machine: `bottle-${ID}`,
  maxBytes: 107,
  name: "agent",
  nearest: "agent",
  neededVersion: "1.8.0",
  network: `bottle-${ID}`,
  operation: "start",
  option: "--allow-host",
  output: "",
  path: "/home/me/project",
  pid: 4242,
  port: 8080,
  program: "smolvm",
  signal: "SIGKILL",
  sources: ["/home/me/project"],
  stage: "start",
  stderr: "Error: agent operation failed: boot: no KVM",
  stdout: "",
  stream: "stdout",
  subnet: "10.91.0.0/29",
  tag: "bottle-bundle:0.1.0",
  timeoutMillis: 30_000,
  version: "1.5.2",
  words: ""
}

/** What these hold where the name of the field does not say enough. */
const byClass: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "@bottle/engine/StageFailed": {
    stage: "start",
    reason: "smolvm machine start failed with exit code 1: agent operation failed: boot: no KVM",
    advice: "`bottle doctor` tells what this machine lacks to run a bottle.",
    command: ["smolvm", "machine", "start", "--name", `bottle-${ID}`],
    stderr: "starting bottle-agent-1a2b3\nError: agent operation failed: boot: no KVM",
    cause: null
  },
  "@bottle/cli/ManifestInMount": { file: "/home/me/project/bottle.json", mount: "/home/me/project" },
  "@bottle/cli/ManifestUnreadable": {
    file: "bottle.json",
    reason: "there is no such file",
    advice: "Check its name; bottle init writes one"
  },
  "@bottle/cli/ManifestUnwritable": { file: "bottle.json", reason: "PermissionDenied" },
  "@bottle/cli/ManifestUntrusted": { file: "/tmp/bottle.json", path: "/tmp/bottle.json" },
  "@bottle/cli/NotSaved": { reason: "it cannot be written", advice: "Name a file that you may write to" },
  "@bottle/cli/PolicyFileInMount": { mount: "/home/me/project" },
  "@bottle/cli/ReportUnwritable": { file: "report.json", reason: "PermissionDenied" },
  "@bottle/cli/TraceUnwritable": { file: "trace.json", reason: "PermissionDenied" },
  "@bottle/engine/AllowRefused": { detail: "it has an empty label" },
  "@bottle/engine/BundleDied": { reason: "it was killed by SIGKILL" },
  "@bottle/engine/CommitFailed": { output: "base.smolmachine", reason: "NoSpace" },
  "@bottle/engine/ControlFailed": { path: "/run/user/1000/bottle/agent-1a2b3/control.sock", reason: "EACCES" },
  "@bottle/engine/ControlRefused": { detail: null },
  "@bottle/engine/ControlUnreachable": { detail: null },
  "@bottle/engine/CredentialMissing": { name: "anthropic", reason: "the launch was given no value for it" },
  "@bottle/engine/CredentialUnavailable": {
    name: "anthropic",
    reason: "your environment has no ANTHROPIC_API_KEY",
    advice: "export ANTHROPIC_API_KEY first"
  },
  "@bottle/engine/DownFailed": {
    reason: "its owner, process 4242, cannot be ended",
    advice: "It may be another user's, or hang in the kernel."
  },
  "@bottle/engine/EgressNotEnforced": {
    runtime: "smolvm 1.5.2",
    name: "a decoy",
    target: "203.0.113.7:443",
    observation: "connected"
  },
  "@bottle/engine/EgressUnproven": { detail: "exit code 127" },
  "@bottle/engine/KeeperNotStarted": { program: "/usr/bin/node", reason: "not enough memory" },
  "@bottle/engine/LedgerFailed": { path: "/home/me/.local/state/bottle/ledger", reason: "NoSpace" },
  "@bottle/engine/LedgerUnreadable": { path: "/home/me/.local/state/bottle/ledger", reason: "PermissionDenied" },
  "@bottle/engine/MachineLost": { reason: "machine start failed with exit code 1" },
  "@bottle/engine/ManifestInvalid": {
    file: "bottle.json",
    line: 7,
    column: 5,
    place: "bottles.agent",
    detail: 'it has the unknown key "polcy"',
    advice: 'Write "policy"'
  },
  "@bottle/engine/NotPruned": { path: "/home/me/.cache/bottle/packs/alpine.smolmachine", reason: "PermissionDenied" },
  "@bottle/engine/OwnerUnknown": { reason: "/proc cannot be read" },
  "@bottle/engine/PolicyDropped": { reason: "this release takes it and does nothing with it" },
  "@bottle/engine/PruneRefused": {
    reason: "the ledger cannot be read: PermissionDenied",
    advice: "Check that the directory is yours."
  },
  "@bottle/engine/RecordFailed": { reason: "NoSpace" },
  "@bottle/engine/ReloadFailed": {
    reason: "the bottle has no bundle, and reaches nothing",
    advice: "Launch it with --bundle process or --bundle container."
  },
  "@bottle/engine/WorkspaceNotTaken": { reason: "NoSpace" },
  "@bottle/engine/WorkspaceUnread": { reason: "PermissionDenied" },
  "@bottle/engine/WorkspaceUnusable": { reason: "it is no directory" },
  "@bottle/smolvm/ArchiveDamaged": { reason: "a header's checksum is wrong" },
  "@bottle/smolvm/ArchiveRefused": { reason: "it leads out of the archive" },
  "@bottle/smolvm/DestinationRefused": { reason: "it is a file", advice: "Name a directory." },
  "@bottle/smolvm/GuestPathRefused": { path: "tmp/x", reason: "is not absolute", advice: "Begin it with a slash." },
  "@bottle/smolvm/HostFileFailed": { reason: "PermissionDenied" },
  "@bottle/smolvm/InvalidArgument": { problem: "is not a host name" },
  "@bottle/smolvm/MachineNotReleased": { reason: "database operation failed: locked" },
  "@bottle/smolvm/OutputNotUnderstood": { command: "machine ls", problem: "it is not JSON" },
  "@bottle/smolvm/SmolvmNotStarted": { reason: "permission-denied" },
  "@bottle/smolvm/SourceRefused": { reason: "it is no file and no directory", advice: "Name one of these." },
  "@bottle/smolvm/UsageError": {
    problem: "unexpected argument '--alow' found",
    detail: "",
    usage: "smolvm machine create [OPTIONS]"
  },
  "@bottle/docker/BuildFailed": {
    reason: "failed to resolve node:22-slim",
    output: "Step 1/3 : FROM node:22-slim\nfailed to resolve node:22-slim"
  },
  "@bottle/docker/DockerArgumentRefused": { command: "network create", option: "--subnet", problem: "is no subnet" },
  "@bottle/docker/DockerNotUnderstood": { program: "docker", command: "version", reason: "its output is not JSON" },
  "@bottle/docker/DockerNotInstalled": { program: "docker" },
  "@bottle/docker/DockerTimedOut": { program: "docker", command: "network create" },
  "@bottle/egress/CidrInvalid": { text: "10.0.0/8" },
  "@bottle/egress/DocumentInvalid": {
    place: "allow[0]",
    detail: 'it has the unknown key "prots"',
    advice: 'Write "ports"'
  },
  "@bottle/egress/PolicyError": { place: "allow[0]", detail: "it has an empty label" },
  "@bottle/local/OperationFailed": { reason: "mount: /root: permission denied" },
  "@bottle/local/ValueRefused": { reason: "it is no positive number" },
  "@bottle/local/StateCorrupted": { path: "/home/me/.local/state/bottle/local/machines/x", problem: "it is not JSON" },
  "@bottle/cli/UsageError": { problem: "unknown flag --alow", advice: "--allow" },
  "@bottle/engine/OptionRefused": {
    option: "memMib",
    reason: "3 is too little",
    advice: "Give it 64 MiB or more."
  },
  "@bottle/engine/SecretMissing": { name: "API_TOKEN" },
  "@bottle/engine/OwnerFailed": { error: "OwnerFailed", reason: "<reason>", command: null, stderr: null, stage: null },
  "@bottle/engine/RuntimeUnfit": {
    demand: "--allow",
    reason: "it holds no list of hosts",
    advice: "Update smolvm to 1.8.0 or newer, or use --runtime local."
  },
  "@bottle/engine/ContainerUnfit": {
    reason: "docker is not installed",
    advice: "Install docker, or use --bundle process."
  },
  "@bottle/engine/BundleFailed": {
    reason: "its socket is in use",
    advice: "Try again; `bottle cleanup` takes away what an owner that died has left."
  },
  "@bottle/cli/PolicyFileRefused": {
    reason: "allow[0]: example..com is no host name",
    advice: "Write a name such as example.com."
  },
  "@bottle/local/PrerequisiteMissing": {
    name: "a user namespace",
    detail: "unshare: write failed /proc/self/uid_map: Operation not permitted",
    fix: "allow unprivileged user namespaces"
  },
  "@bottle/docker/DockerCommandFailed": {
    program: "docker",
    command: "network create",
    reason: "Error response from daemon: no space left on device",
    stderr: "Error response from daemon: no space left on device"
  },
  "@bottle/docker/DaemonUnreachable": { program: "docker", reason: "permission denied on /var/run/docker.sock" }
}

const isNull = (ast: AST.AST): boolean => AST.isLiteral(ast) && ast.literal === null

/** The values that a field of literals can have; none for another field. */
export const choicesOf = (ast: AST.AST): ReadonlyArray<string> => {
  const union = AST.isUnion(ast) ? ast.types.filter((type) => !isNull(type)) : [ast]
  const literals = union.flatMap((type) =>
    AST.isLiteral(type) && typeof type.literal === "string" ? [type.literal] : []
  )
  return literals.length === union.length ? literals : []
}

/** Something of the schema, given what its field is called. */
const valueOf = (name: string, ast: AST.AST, own: Readonly<Record<string, unknown>>): unknown => {
  if (Object.hasOwn(own, name)) return own[name]
  const [choice] = choicesOf(ast)
  if (choice !== undefined) return choice
  switch (ast._tag) {
    case "Literal":
      return ast.literal
    case "Union":
      return valueOf(name, ast.types.find((type) => !isNull(type)) ?? ast, own)
    case "Refinement":
      return valueOf(name, ast.from, own)
    case "Transformation":
      return valueOf(name, ast.to, own)
    case "Suspend":
      return valueOf(name, ast.f(), own)
    case "StringKeyword":
      return typeof byField[name] === "string" ? byField[name] : `<${name}>`
    case "NumberKeyword":
      return typeof byField[name] === "number" ? byField[name] : 1
    case "BooleanKeyword":
      return false
    case "TupleType": {
      const listed = byField[name]
      if (Array.isArray(listed)) return listed
      const [rest] = ast.rest
      return rest === undefined
        ? ast.elements.map((element) => valueOf(name, element.type, own))
        : [valueOf(name.replace(/s$/, ""), rest.type, own)]
    }
    case "TypeLiteral":
      return Object.fromEntries(
        ast.propertySignatures.map((field) => [field.name, valueOf(String(field.name), field.type, own)])
      )
    default:
      return null
  }
}

/** The fields of an error class as it is written to JSON, and their sample. */
export interface Sample {
  readonly fields: ReadonlyArray<readonly [name: string, ast: AST.AST]>
  readonly value: Readonly<Record<string, unknown>>
}

/** A sample of what an error class is decoded from. */
export const of = (identifier: string, ast: AST.AST): Sample => {
  const own = byClass[identifier] ?? {}
  const fields = AST.getPropertySignatures(AST.encodedAST(ast)).map(({ name, type }) => [String(name), type] as const)
  return { fields, value: Object.fromEntries(fields.map(([name, type]) => [name, valueOf(name, type, own)])) }
}
