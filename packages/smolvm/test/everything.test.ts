import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Capabilities from "../src/Capabilities.js"
import * as Grammar from "../src/Grammar.js"
import type { MachineCpOptions } from "../src/MachineCp.js"
import type { MachineCreateOptions } from "../src/MachineCreate.js"
import type { MachineDataDirOptions } from "../src/MachineDataDir.js"
import type { MachineDeleteOptions } from "../src/MachineDelete.js"
import type { MachineEgressEventsOptions } from "../src/MachineEgressEvents.js"
import type { MachineExecOptions } from "../src/MachineExec.js"
import type { MachineForkOptions } from "../src/MachineFork.js"
import type { MachineForkReleaseOptions } from "../src/MachineForkRelease.js"
import type { MachineImagesOptions } from "../src/MachineImages.js"
import type { MachineLsOptions } from "../src/MachineLs.js"
import type { MachineMonitorOptions } from "../src/MachineMonitor.js"
import type { MachinePruneOptions } from "../src/MachinePrune.js"
import type { MachineRunOptions } from "../src/MachineRun.js"
import type { MachineShellOptions } from "../src/MachineShell.js"
import type { MachineStartOptions } from "../src/MachineStart.js"
import type { MachineStatusOptions } from "../src/MachineStatus.js"
import type { MachineStopOptions } from "../src/MachineStop.js"
import type { MachineUpdateOptions } from "../src/MachineUpdate.js"
import type { PackCreateOptions } from "../src/PackCreate.js"
import type { PackInspectOptions } from "../src/PackInspect.js"
import type { PackPruneOptions } from "../src/PackPrune.js"
import type { PackPullOptions } from "../src/PackPull.js"
import type { PackPushOptions } from "../src/PackPush.js"
import type { PackRunOptions } from "../src/PackRun.js"
import * as Subcommand from "../src/Subcommand.js"
import * as Subcommands from "../src/Subcommands.js"

const ports = [{ host: 8080, guest: 80 }]
const volumes = [{ host: "/a", guest: "/b", readonly: true }]
const env = [["K", "V"]] as const
const secretEnv = [{ guest: "T", host: "H" }]
const secretFiles = [{ guest: "U", path: "/u" }]
const name = "box"
const reference = "registry.example/a:1"

/** One example of each subcommand, typed by its own options. */
interface Examples {
  readonly "machine cp": MachineCpOptions
  readonly "machine create": MachineCreateOptions
  readonly "machine data-dir": MachineDataDirOptions
  readonly "machine delete": MachineDeleteOptions
  readonly "machine egress-events": MachineEgressEventsOptions
  readonly "machine exec": MachineExecOptions
  readonly "machine fork": MachineForkOptions
  readonly "machine fork-release": MachineForkReleaseOptions
  readonly "machine images": MachineImagesOptions
  readonly "machine ls": MachineLsOptions
  readonly "machine monitor": MachineMonitorOptions
  readonly "machine prune": MachinePruneOptions
  readonly "machine run": MachineRunOptions
  readonly "machine shell": MachineShellOptions
  readonly "machine start": MachineStartOptions
  readonly "machine status": MachineStatusOptions
  readonly "machine stop": MachineStopOptions
  readonly "machine update": MachineUpdateOptions
  readonly "pack create": PackCreateOptions
  readonly "pack inspect": PackInspectOptions
  readonly "pack prune": PackPruneOptions
  readonly "pack pull": PackPullOptions
  readonly "pack push": PackPushOptions
  readonly "pack run": PackRunOptions
}

/** The least that each takes. */
const least: Examples = {
  "machine cp": { src: "/x", dst: "box:/y" },
  "machine create": {},
  "machine data-dir": { name },
  "machine delete": { name },
  "machine egress-events": { name },
  "machine exec": { name, command: ["true"] },
  "machine fork": { golden: "gold", name },
  "machine fork-release": { name },
  "machine images": { name },
  "machine ls": {},
  "machine monitor": { name },
  "machine prune": { name },
  "machine run": { command: ["true"] },
  "machine shell": { name },
  "machine start": { name },
  "machine status": { name },
  "machine stop": { name },
  "machine update": { name },
  "pack create": { image: "alpine", output: "out" },
  "pack inspect": { reference },
  "pack prune": {},
  "pack pull": { reference },
  "pack push": { reference, file: "/f" },
  "pack run": {}
}

/** Every option that does not exclude another. */
const most: Examples = {
  "machine cp": { src: "/x", dst: "box:/y", mode: 0o755, uid: 1000, gid: 100 },
  "machine create": {
    name,
    image: "alpine",
    smolfile: "/s",
    command: ["sleep", "1"],
    workdir: "/w",
    cpus: 2,
    memMib: 512,
    storageGib: 5,
    overlayGib: 3,
    gpuVramMib: 64,
    maxImageBytes: 1_000_000,
    net: true,
    netBackend: "virtio-net",
    dns: "192.0.2.53",
    network: "lan",
    allowCidrs: ["10.0.0.0/8"],
    allowHosts: ["example.org"],
    outboundLocalhostOnly: true,
    ports,
    volumes,
    exposeSockets: [{ guest: "/run/x" }, { guest: "/run/y", host: "/tmp/y" }],
    mountSockets: [{ host: "/tmp/z", guest: "/run/z" }],
    gpu: true,
    rosetta: true,
    cuda: true,
    autoGraph: true,
    dockerSocket: true,
    sshAgent: true,
    init: ["setup"],
    env,
    secretEnv,
    secretFiles,
    labels: [["a.b", "c"]]
  },
  "machine data-dir": { name },
  "machine delete": { name, cascade: true },
  "machine egress-events": { name, limit: 5 },
  "machine exec": {
    name,
    command: ["sh", "-c", "x"],
    workdir: "/w",
    timeoutMillis: 1_500,
    env,
    secretEnv,
    secretFiles,
    interactive: true,
    tty: true,
    stream: true
  },
  "machine fork": {
    golden: "gold",
    namePrefix: "clone",
    count: 1,
    parallel: 2,
    waitReady: true,
    readyTimeoutMillis: 60_000,
    forkable: true,
    shareWeights: true,
    ports,
    env,
    secretEnv,
    secretFiles
  },
  "machine fork-release": { name, env },
  "machine images": { name },
  "machine ls": { verbose: true },
  "machine monitor": {
    name,
    restart: "on-failure",
    healthCmd: "true",
    healthTimeoutSeconds: 1,
    intervalSeconds: 2,
    healthRetries: 0
  },
  "machine prune": { name, dryRun: true, all: true },
  "machine run": {
    image: "alpine",
    smolfile: "/s",
    command: ["sh", "-c", "x"],
    name,
    workdir: "/w",
    timeoutMillis: 30_000,
    ociPlatform: "linux/amd64",
    cpus: 2,
    memMib: 512,
    storageGib: 5,
    overlayGib: 3,
    gpuVramMib: 64,
    maxImageBytes: 1_000_000,
    net: true,
    netBackend: "virtio-net",
    dns: "192.0.2.53",
    network: "lan",
    allowCidrs: ["10.0.0.0/8"],
    allowHosts: ["example.org"],
    outboundLocalhostOnly: true,
    ports,
    proxy: "http://proxy.example:3128",
    noProxy: ["a.example", "b.example"],
    volumes,
    gpu: true,
    rosetta: true,
    cuda: true,
    autoGraph: true,
    dockerSocket: true,
    dockerConfig: true,
    sshAgent: true,
    noInitCache: true,
    rebuildInitCache: true,
    ociCache: true,
    unprivileged: true,
    env,
    secretEnv,
    secretFiles,
    interactive: true,
    tty: true,
    detach: true
  },
  "machine shell": { name },
  "machine start": {
    name,
    allowPrivate: true,
    forkable: true,
    forkPoolSize: 2,
    cudaVramLimitMib: 64,
    proxy: "http://proxy.example:3128",
    noProxy: ["a.example"]
  },
  "machine status": { name },
  "machine stop": { name },
  "machine update": {
    name,
    cpus: 2,
    memMib: 512,
    storageGib: 5,
    overlayGib: 3,
    workdir: "/w",
    net: false,
    ports,
    removePorts: [{ host: 81, guest: 81 }],
    volumes,
    removeVolumes: [{ host: "/c", guest: "/d" }],
    gpu: false,
    rosetta: true,
    env,
    removeEnv: ["L"]
  },
  "pack create": {
    fromVm: name,
    smolfile: "/s",
    output: "out",
    ociPlatform: "linux/amd64",
    entrypoint: "/bin/x",
    cpus: 2,
    memMib: 512,
    rebaseFromImage: true,
    gpu: true,
    noSign: true,
    singleFile: true,
    stagingDir: "/t",
    proxy: "http://proxy.example:3128",
    noProxy: ["a.example"],
    stub: "/stub",
    libDir: "/lib",
    rootfsDir: "/rootfs"
  },
  "pack inspect": { reference },
  "pack prune": { keep: 0, all: true, dryRun: true },
  "pack pull": { reference, output: "out" },
  "pack push": { reference, file: "/f" },
  "pack run": {
    sidecar: "/p.smolmachine",
    command: ["sh", "-c", "x"],
    workdir: "/w",
    timeoutMillis: 1,
    cpus: 2,
    memMib: 512,
    storageGib: 5,
    overlayGib: 3,
    net: true,
    netBackend: "virtio-net",
    ports,
    volumes,
    cuda: true,
    autoGraph: true,
    env,
    interactive: true,
    tty: true,
    forceExtract: true,
    info: true,
    debug: true
  }
}

/** Keys that exclude one of the rest, or are on no known release. */
const apart: Readonly<Record<string, ReadonlyArray<string>>> = {
  "machine create": ["from", "egressProxy"],
  "machine exec": ["detach"],
  "machine fork": ["name", "hold"],
  "machine run": ["from", "egressProxy"],
  "machine start": ["egressInterceptor"],
  "machine update": ["egressProxy"],
  "pack create": ["image"]
}

const argvOf = (version: string, command: string, examples: Examples): string => {
  const subcommand = Subcommands.named(command)
  const options = new Map<string, object>(Object.entries(examples)).get(command)
  if (subcommand === undefined || options === undefined) throw new Error(command)
  // `Examples` holds the type of each; what is looked up by a name has none.
  const argv = Subcommand.argv(subcommand, options as never, Capabilities.fromVersion(version))
  return Either.match(argv, {
    onLeft: (error) => `${error._tag}: ${error.message}`,
    onRight: (words) => words.join(" ")
  })
}

/** What each comes to: the least on 0.8.0 and on 1.9.3, and everything on 1.9.3. */
const expected: Readonly<Record<keyof Examples, readonly [least: string, least: string, most: string]>> = {
  "machine cp": [
    "machine cp /x box:/y",
    "machine cp /x box:/y",
    "machine cp --mode 0755 --uid 1000 --gid 100 /x box:/y"
  ],
  "machine create": [
    "machine create",
    "machine create",
    "machine create --image alpine --smolfile /s -w /w --cpus 2 --mem 512 --storage 5 --overlay 3 --gpu-vram 64 --max-image-size 1000000 --net --net-backend virtio-net --dns 192.0.2.53 --network lan --allow-cidr 10.0.0.0/8 --allow-host example.org --outbound-localhost-only -p 8080:80 -v /a:/b:ro --expose-socket /run/x --expose-socket /run/y:/tmp/y --mount-socket /tmp/z:/run/z --gpu --rosetta --cuda --auto-graph --docker-socket --ssh-agent --init setup -e K=V --secret-env T=H --secret-file U=/u --label a.b=c --name box -- sleep 1"
  ],
  "machine data-dir": ["machine data-dir box", "machine data-dir --name box", "machine data-dir --name box"],
  "machine delete": ["machine delete -f box", "machine delete -f --name box", "machine delete -f --cascade --name box"],
  "machine egress-events": [
    "UnsupportedCommand: smolvm 0.8.0 has no machine egress-events: 1.8.1 or newer is needed",
    "machine egress-events --name box --json",
    "machine egress-events --name box --limit 5 --json"
  ],
  "machine exec": [
    "machine exec --name box -- true",
    "machine exec --name box -- true",
    "machine exec --name box -w /w --timeout 1500ms -e K=V --secret-env T=H --secret-file U=/u -i -t --stream -- sh -c x"
  ],
  "machine fork": [
    "UnsupportedCommand: smolvm 0.8.0 has no machine fork: 1.0.0 or newer is needed",
    "machine fork --golden gold --name box",
    "machine fork --count 1 --parallel 2 --wait-ready --ready-timeout 60s --forkable --share-weights -p 8080:80 -e K=V --secret-env T=H --secret-file U=/u --golden gold --name-prefix clone"
  ],
  "machine fork-release": [
    "UnsupportedCommand: smolvm 0.8.0 has no machine fork-release: 1.7.2 or newer is needed",
    "machine fork-release --name box",
    "machine fork-release -e K=V --name box"
  ],
  "machine images": [
    "machine images --name box --json",
    "machine images --name box --json",
    "machine images --name box --json"
  ],
  "machine ls": ["machine ls --json", "machine ls --json", "machine ls -v --json"],
  "machine monitor": [
    "machine monitor --name box",
    "machine monitor --name box",
    "machine monitor --name box --restart on-failure --health-cmd true --health-timeout 1 --interval 2 --health-retries 0"
  ],
  "machine prune": ["machine prune --name box", "machine prune --name box", "machine prune --name box --dry-run --all"],
  "machine run": [
    "machine run -- true",
    "machine run -- true",
    "machine run --image alpine --smolfile /s -w /w --timeout 30s --oci-platform linux/amd64 --cpus 2 --mem 512 --storage 5 --overlay 3 --gpu-vram 64 --max-image-size 1000000 --net --net-backend virtio-net --dns 192.0.2.53 --network lan --allow-cidr 10.0.0.0/8 --allow-host example.org --outbound-localhost-only -p 8080:80 --proxy http://proxy.example:3128 --no-proxy a.example,b.example -v /a:/b:ro --gpu --rosetta --cuda --auto-graph --docker-socket --docker-config --ssh-agent --no-init-cache --rebuild-init-cache --oci-cache --unprivileged -e K=V --secret-env T=H --secret-file U=/u -i -t -d --name box -- sh -c x"
  ],
  "machine shell": ["machine shell --name box", "machine shell --name box", "machine shell --name box"],
  "machine start": [
    "machine start --name box",
    "machine start --name box",
    "machine start --name box --forkable --fork-pool-size 2 --cuda-vram-limit-mib 64 --proxy http://proxy.example:3128 --no-proxy a.example"
  ],
  "machine status": [
    "machine status --name box --json",
    "machine status --name box --json",
    "machine status --name box --json"
  ],
  "machine stop": ["machine stop --name box", "machine stop --name box", "machine stop --name box"],
  "machine update": [
    "machine update box",
    "machine update --name box",
    "machine update -w /w --cpus 2 --mem 512 --storage 5 --overlay 3 --no-net -p 8080:80 --remove-port 81:81 -v /a:/b:ro --remove-volume /c:/d --no-gpu --rosetta -e K=V --remove-env L --name box"
  ],
  "pack create": [
    "pack create --image alpine -o out",
    "pack create --image alpine -o out",
    "pack create --from-vm box --smolfile /s -o out --oci-platform linux/amd64 --entrypoint /bin/x --cpus 2 --mem 512 --rebase-from-image --gpu --no-sign --single-file --staging-dir /t --proxy http://proxy.example:3128 --no-proxy a.example --stub /stub --lib-dir /lib --rootfs-dir /rootfs"
  ],
  "pack inspect": [
    "pack inspect --json registry.example/a:1",
    "pack inspect --json registry.example/a:1",
    "pack inspect --json registry.example/a:1"
  ],
  "pack prune": ["pack prune", "pack prune", "pack prune --keep 0 --all --dry-run"],
  "pack pull": [
    "pack pull registry.example/a:1",
    "pack pull registry.example/a:1",
    "pack pull -o out registry.example/a:1"
  ],
  "pack push": [
    "pack push -f /f registry.example/a:1",
    "pack push -f /f registry.example/a:1",
    "pack push -f /f registry.example/a:1"
  ],
  "pack run": [
    "pack run",
    "pack run",
    "pack run --sidecar /p.smolmachine -w /w --timeout 1ms --cpus 2 --mem 512 --storage 5 --overlay 3 --net --net-backend virtio-net -p 8080:80 -v /a:/b:ro --cuda --auto-graph -e K=V -i -t --force-extract --info --debug -- sh -c x"
  ]
}

describe("every subcommand", () => {
  for (const [command, [old, now, all]] of Object.entries(expected)) {
    it(`builds ${command} element by element`, () => {
      assert.strictEqual(argvOf("0.8.0", command, least), old)
      assert.strictEqual(argvOf("1.9.3", command, least), now)
      assert.strictEqual(argvOf("1.9.3", command, most), all)
      for (const argv of [now, all]) {
        const parsed = Grammar.parse("1.9.3", argv.split(" "))
        assert.strictEqual(Either.isRight(parsed) ? parsed.right.command : "", command, argv)
      }
    })
  }

  it("has an example with each of its options", () => {
    for (const { command, options, positionals } of Subcommands.all) {
      const given = Object.keys(new Map<string, object>(Object.entries(most)).get(command) ?? {})
      const known = [...options, ...positionals].flatMap(({ key }) => key ?? [])
      assert.deepStrictEqual(
        [...given.filter((key) => key !== "allowPrivate"), ...(apart[command] ?? [])].toSorted(),
        known.toSorted(),
        command
      )
    }
  })
})
