/**
 * `bottle doctor`: whether this machine can run a bottle and with which isolation, and what to do about what is missing.
 *
 * @since 0.1.0
 */
import * as Docker from "@bottle/docker/Docker"
import * as Cleanup from "@bottle/engine/Cleanup"
import * as Directories from "@bottle/engine/Directories"
import * as Engine from "@bottle/engine/Engine"
import { PROGRAMS } from "@bottle/engine/GuestRelay"
import * as Launch from "@bottle/engine/Launch"
import * as Prerequisites from "@bottle/local/Prerequisites"
import * as Smolvm from "@bottle/smolvm/Smolvm"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Context from "effect/Context"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { statfs } from "node:fs/promises"
import * as Colors from "../Colors.js"
import { Diagnosis, decide, type Finding, ill, render, type Subject, well, within } from "../Diagnosis.js"
import { ExitStatus } from "../ExitStatus.js"
import * as HostChecks from "../HostChecks.js"
import { Invocation } from "../Invocation.js"
import * as ManifestFile from "../ManifestFile.js"
import * as ManifestPlace from "../ManifestPlace.js"
import { dockerProgram, type Format } from "../RunRequest.js"
import * as RuntimeChoice from "../RuntimeChoice.js"
import * as RuntimeLayer from "../RuntimeLayer.js"
import * as RuntimesLayer from "../RuntimesLayer.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import { surveyOptions } from "./Cleanup.js"

/** Where the local runtime's guests find their programs: the host's own, read-only. */
const GUEST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const MEBIBYTE = 1024 * 1024

/** A slow machine may take its time for a program's version and help. */
const RUNTIME_TIMEOUT_MILLIS = 10_000

type Isolation = "microvm" | "namespaces"

type Outside = Invocation | CommandExecutor | FileSystem.FileSystem

interface RuntimeFound {
  readonly runtime: Diagnosis["runtime"]
  readonly findings: ReadonlyArray<Finding>
}

/** What was chosen, as far as the words say. */
const expectedOf = (choice: RuntimeChoice.RuntimeChoice): Isolation =>
  choice._tag === "Local" ? "namespaces" : "microvm"

const askRuntime = (
  choice: RuntimeChoice.RuntimeChoice
): Effect.Effect<RuntimeFound, never, Engine.Engine | Smolvm.Smolvm | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm.Smolvm
    const { runtime: kind } = yield* Engine.Engine
    const { line, versionText } = yield* smolvm.capabilities
    const isolation: Isolation = kind === "local" ? "namespaces" : "microvm"
    const said = kind === "local" ? "local runtime: namespaces, shared kernel" : "microVM, a kernel of its own"
    const fallback = choice._tag === "Local" && choice.isFallback ? "; smolvm is not on PATH" : ""
    const subject = runtimeSubject(isolation)
    const detail = `${versionText}, release line ${line} (${said}${fallback})`
    return {
      runtime: { kind, program: smolvm.program, version: well(subject, versionText).detail, isolation },
      findings: [
        well(
          subject,
          detail,
          kind === "local" ? `local (namespaces, shared kernel${fallback})` : `${versionText} (${said})`
        ),
        ...(yield* askPolicy(isolation))
      ]
    }
  }).pipe(
    Effect.catchAll(({ message, suggestion }) =>
      Effect.succeed({ runtime: null, findings: [ill(runtimeSubject(expectedOf(choice)), message, suggestion)] })
    )
  )

const runtimeSubject = (need: Isolation): Subject => ({ id: "runtime", group: "runtime", name: "runtime", need })

/** The engine's own judgement, by a plan that allows one host: nothing is made of it. */
const askPolicy = (need: Isolation) => {
  const subject: Subject = { id: "policy", group: "runtime", name: "egress policy", need: "none" }
  return Launch.plan({ source: { _tag: "Bare" }, allow: ["example.com"], bundle: "process" }).pipe(
    Effect.map(({ proof }) => [
      proof.doubt === null
        ? well(subject, "this release holds it: the guest has one socket, and no network", "holds an egress policy")
        : ill(subject, `this release may not hold it: ${proof.doubt}`, "nothing: what a launch proves decides")
    ]),
    Effect.catchAll(({ message, suggestion }) =>
      Effect.succeed([ill(subject, message, `${suggestion} Or use --bundle none, without any network.`)])
    ),
    Effect.withSpan("bottle.doctor.policy", { attributes: { isolation: need } })
  )
}

const checkRuntime = (choice: RuntimeChoice.RuntimeChoice): Effect.Effect<RuntimeFound, never, Outside> =>
  askRuntime(choice).pipe(
    Effect.provide(RuntimeLayer.diagnosed(choice)),
    Effect.disconnect,
    Effect.timeoutTo({
      duration: RUNTIME_TIMEOUT_MILLIS,
      onSuccess: (found) => found,
      onTimeout: (): RuntimeFound => ({
        runtime: null,
        findings: [
          ill(
            runtimeSubject(expectedOf(choice)),
            `${choice.program} does not say its version within ${RUNTIME_TIMEOUT_MILLIS / 1000} s`,
            `see why ${choice.program} --version hangs`
          )
        ]
      })
    })
  )

const groups = {
  system: "system",
  program: "programs",
  setting: "namespaces",
  namespace: "namespaces"
} as const

/** What is named of each when it is well: of a setting, that it is. */
const briefOf = ({ fix, id, isOptional, kind, name }: Prerequisites.Prerequisite): string | null => {
  // A package that brings several is named once.
  if (kind === "program" && !id.startsWith("options-"))
    return isOptional ? name.replace(" (optional)", "") : fix.slice(8)
  if (kind === "program") return null
  return kind === "namespace" ? (briefs[id] ?? name) : null
}

const briefs: Readonly<Record<string, string>> = {
  "root-mounts": "mounts as root",
  "user-namespace": "user",
  namespaces: "mount, process, network, ipc, uts, cgroup",
  proc: "a /proc of its own",
  overlayfs: "overlayfs"
}

const settings = ["userns-clone", "userns-max", "userns-apparmor"]

/** A namespace that cannot be had is why another cannot, and a setting of the kernel's why none can. */
const explanations: Readonly<Record<string, ReadonlyArray<string>>> = {
  "user-namespace": [...settings, "program-unshare", "program-setpriv"],
  namespaces: [...settings, "user-namespace"],
  proc: [...settings, "user-namespace", "namespaces"],
  overlayfs: [...settings, "user-namespace", "namespaces"],
  "root-mounts": ["program-unshare"]
}

const checkNamespaces: Effect.Effect<ReadonlyArray<Finding>, never, CommandExecutor> = Effect.map(
  Prerequisites.check,
  (found) =>
    found
      .filter(({ id }) => id !== "linux")
      .map((one) => {
        const { detail, fix, id, isOptional, kind, name, ok } = one
        const need = isOptional ? "none" : "namespaces"
        const subject: Subject = { id, group: groups[kind], name, need, follows: explanations[id] }
        // Machines do without the optional programs, and the detail says what of.
        return ok
          ? well(subject, detail, detail.startsWith("not installed") ? null : briefOf(one))
          : ill(subject, detail, fix)
      })
)

const relaySubject: Subject = { id: "relay", group: "proxy", name: "relay program", need: "namespaces" }

/** Only the local runtime's guests have this machine's programs; what an image has, only a launch can tell. */
const checkRelay: Effect.Effect<ReadonlyArray<Finding>, never, FileSystem.FileSystem> = Effect.gen(function* () {
  for (const program of PROGRAMS) {
    const path = yield* RuntimeChoice.findOnPath(program, GUEST_PATH)
    if (path !== undefined) return [well(relaySubject, path, `relay by ${program}`)]
  }
  const detail = `none of ${PROGRAMS.join(", ")} is in ${GUEST_PATH}`
  return [ill(relaySubject, detail, `install ${PROGRAMS[0]}, or run with --bundle none (no network)`)]
})

const dockerSubject: Subject = { id: "docker", group: "proxy", name: "docker", need: "none" }

const checkDocker: Effect.Effect<ReadonlyArray<Finding>, never, Invocation | CommandExecutor> = Effect.flatMap(
  Docker.Docker,
  (docker) => docker.version
).pipe(
  Effect.map(({ client, server }) => [
    well(dockerSubject, `client ${client}, daemon ${server}`, `docker ${client} (daemon ${server})`)
  ]),
  Effect.catchAll(({ message, suggestion }) =>
    Effect.succeed([ill(dockerSubject, message, `nothing, unless you want --bundle container: ${suggestion}`)])
  ),
  Effect.provide(
    Layer.unwrapEffect(
      Effect.map(Invocation, ({ environment }) => Docker.layer({ program: dockerProgram(environment) }))
    )
  )
)

const keeperSubject: Subject = { id: "keeper", group: "bottles", name: "keeper", need: "none" }

const checkKeeper = ({ keeper, programDirectory }: Context.Tag.Service<Invocation>): Finding =>
  keeper === null
    ? ill(
        keeperSubject,
        `there is no bottle-keeper.mjs in ${programDirectory}`,
        "put it beside bottle: without it `bottle up` cannot run, and a bottle whose owner is killed is left"
      )
    : well(keeperSubject, keeper.at(-1) ?? "", "keeper")

const leftoversSubject: Subject = { id: "leftovers", group: "bottles", name: "leftovers", need: "none" }

/** What `bottle cleanup` would remove; who does not answer there is asked by other checks too. */
const checkLeftovers = (
  { environment }: Context.Tag.Service<Invocation>,
  { state }: Directories.Directories
): Effect.Effect<ReadonlyArray<Finding>, never, Outside> =>
  Effect.flatMap(surveyOptions(false), Cleanup.survey).pipe(
    Effect.map(({ leftovers }) => {
      const count = leftovers.filter(({ removable }) => removable).length
      return count === 0
        ? [well(leftoversSubject, "none", "nothing left behind")]
        : [ill(leftoversSubject, `${count} things of bottles whose owner is gone`, "bottle cleanup removes them")]
    }),
    Effect.provide(RuntimesLayer.layer({ environment, state }))
  )

const manifestSubject: Subject = { id: "manifest", group: "bottles", name: "manifest", need: "any" }

/** The manifest that every launch begins with; most people have none. */
const checkManifest = (
  invocation: Context.Tag.Service<Invocation>
): Effect.Effect<ReadonlyArray<Finding>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const place = yield* ManifestPlace.find(Option.none(), invocation)
    if (place === null) return [well(manifestSubject, "there is none", null)]
    return yield* Effect.match(ManifestFile.read(place.file), {
      onFailure: ({ message, suggestion }) => [ill(manifestSubject, message, suggestion)],
      onSuccess: () => [well(manifestSubject, place.file)]
    })
  })

/** The owner of our own process, as its files tell it. */
const ownUid: Effect.Effect<number | null, never, FileSystem.FileSystem> = Effect.flatMap(FileSystem.FileSystem, (fs) =>
  fs.stat("/proc/self")
).pipe(
  Effect.map(({ uid }) => Option.getOrNull(uid)),
  Effect.orElseSucceed(() => null)
)

const sightOf = ({ arch, nodeVersion, platform }: Context.Tag.Service<Invocation>) =>
  Effect.map(Effect.all([Clock.currentTimeMillis, ownUid]), ([now, uid]): HostChecks.Sight => ({
    platform,
    arch,
    nodeVersion,
    uid,
    now,
    freeBytes: (path) =>
      Effect.tryPromise(() => statfs(path)).pipe(
        Effect.map(({ bavail, bsize }) => bavail * bsize),
        Effect.orElseSucceed(() => null)
      )
  }))

const ownDirectories = (
  { cache, run, state }: Directories.Directories,
  environment: Readonly<Record<string, string>>
): ReadonlyArray<HostChecks.OwnDirectory> => [
  { id: "state", name: "state", path: state, bytesMin: 16 * MEBIBYTE, need: "any", variable: "XDG_STATE_HOME" },
  {
    id: "run",
    name: "run",
    path: run,
    bytesMin: 0,
    need: "any",
    variable: "XDG_RUNTIME_DIR",
    follows: run.startsWith(`${state}/`) ? ["state"] : undefined
  },
  { id: "cache", name: "cache", path: cache, bytesMin: 1024 * MEBIBYTE, need: "none", variable: "XDG_CACHE_HOME" },
  {
    id: "capabilities",
    name: "capabilities",
    path: RuntimesLayer.capabilitiesDirectory(environment),
    bytesMin: 0,
    need: "none",
    variable: "XDG_CACHE_HOME",
    follows: ["cache"]
  }
]

const checks = (
  invocation: Context.Tag.Service<Invocation>,
  sight: HostChecks.Sight
): ReadonlyArray<Effect.Effect<ReadonlyArray<Finding>, never, Outside>> => {
  const directories = Directories.fromEnvironment(invocation.environment)
  const namespaces: Subject = { id: "namespaces", group: "namespaces", name: "namespaces", need: "namespaces" }
  const { freeBytes } = sight
  return [
    Effect.succeed([HostChecks.node(sight), HostChecks.system(sight)]),
    within(
      { id: "kvm", group: "hypervisor", name: "/dev/kvm", need: "microvm" },
      "see whether the machine is short of memory",
      HostChecks.kvm(sight)
    ),
    within(
      namespaces,
      "see whether the machine is short of processes or memory",
      checkNamespaces,
      RUNTIME_TIMEOUT_MILLIS
    ),
    within(relaySubject, "see whether a directory of the system hangs", checkRelay),
    ...ownDirectories(directories, invocation.environment).map((own) =>
      within(
        { id: own.id, group: "directories", name: `${own.name} directory`, need: own.need },
        `see whether the file system of ${own.path} hangs, or name another by its XDG variable`,
        HostChecks.directory(own, { ...sight, freeBytes })
      )
    ),
    within(
      { id: "clock", group: "clock", name: "clock", need: "none" },
      `see whether the file system of ${directories.state} hangs`,
      HostChecks.clock(sight, directories.state)
    ),
    Effect.succeed([checkKeeper(invocation)]),
    within(manifestSubject, "see whether the file system of your home directory hangs", checkManifest(invocation)),
    within(
      leftoversSubject,
      "bottle cleanup --dry-run tells who does not answer",
      checkLeftovers(invocation, directories)
    ),
    within(dockerSubject, "nothing, unless you want --bundle container: see whether its daemon hangs", checkDocker)
  ]
}

interface Diagnosed {
  readonly diagnosis: Diagnosis
  readonly findings: ReadonlyArray<Finding>
}

/** All at once: the slowest look is how long it takes. */
const diagnose = (runtime: string | null): Effect.Effect<Diagnosed, never, Outside> =>
  Effect.gen(function* () {
    const invocation = yield* Invocation
    const choice = yield* RuntimeChoice.choose(runtime, invocation)
    const sight = yield* sightOf(invocation)
    const [found, others] = yield* Effect.all(
      [checkRuntime(choice), Effect.all(checks(invocation, sight), { concurrency: "unbounded" })],
      { concurrency: "unbounded" }
    )
    const findings = [...found.findings, ...others.flat()]
    const expected = found.runtime?.isolation ?? expectedOf(choice)
    return { findings, diagnosis: decide(findings, found.runtime, expected) }
  })

/**
 * What the program was asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface DoctorRequest {
  readonly runtime: string | null
  readonly format: Format
}

/**
 * Prints the diagnosis; the exit code is 0 when a bottle can run here, 125 when it cannot.
 *
 * @since 0.1.0
 * @category constructors
 */
export const doctor = (request: DoctorRequest): Effect.Effect<number, never, Stdio.Stdio | Outside> =>
  Effect.gen(function* () {
    const { diagnosis, findings } = yield* diagnose(request.runtime)
    if (request.format === "json") {
      yield* Stdio.outputText(JSON.stringify(Schema.encodeSync(Diagnosis)(diagnosis), null, 2))
    } else {
      const { isInteractive, stdout } = yield* Stdio.Stdio
      const colors = isInteractive && (yield* Colors.wanted)
      // What was found is printable by itself: what steers the terminal is ours.
      yield* stdout(Buffer.from(`${render(findings, diagnosis, { colors })}\n`))
    }
    return diagnosis.ok ? ExitStatus.success : ExitStatus.launchFailed
  }).pipe(Effect.catchAllCause((cause) => Told.failWith(cause, { format: request.format, jsonOn: "stdout" })))
