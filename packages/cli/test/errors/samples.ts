/**
 * Values that fields of errors have in examples: by the class where it matters, else by the name of the field, else what
 * the field's schema takes.
 */
import * as AST from "effect/SchemaAST"

const ID = "agent-1a2b3"

/** What a field of this name holds in an example. */
const byField: Readonly<Record<string, unknown>> = {
  address: "10.91.0.2",
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
    reason: "smolvm machine start failed with exit code 1: agent operation failed: boot: no KVM",
    advice: "`bottle doctor` tells what this machine lacks to run a bottle.",
    command: ["smolvm", "machine", "start", "--name", `bottle-${ID}`],
    stderr: "starting bottle-agent-1a2b3\nError: agent operation failed: boot: no KVM",
    cause: null
  },
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
