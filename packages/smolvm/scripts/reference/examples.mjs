// Options as a program gives them, for each subcommand: the pages show the command line that the code makes of them.

const project = { host: "/srv/project", guest: "/workspace", readonly: false }
const web = { host: 8080, guest: 80 }
const token = { guest: "TOKEN", host: "HOST_TOKEN" }

export const examples = {
  "machine run": {
    image: "alpine:3.20",
    cpus: 2,
    net: true,
    volumes: [project],
    env: [["CI", "1"]],
    workdir: "/workspace",
    timeoutMillis: 60_000,
    command: ["make", "test"]
  },
  "machine create": {
    name: "box",
    image: "alpine:3.20",
    cpus: 2,
    memMib: 1024,
    net: true,
    ports: [web],
    volumes: [{ ...project, readonly: true }],
    mountSockets: [{ host: "/run/proxy.sock", guest: "/run/proxy.sock" }],
    env: [["CI", "1"]],
    secretEnv: [token],
    labels: [["team", "web"]]
  },
  "machine start": { name: "box", proxy: "http://192.0.2.10:3128" },
  "machine stop": { name: "box" },
  "machine delete": { name: "box", cascade: true },
  "machine exec": {
    name: "box",
    workdir: "/workspace",
    env: [["CI", "1"]],
    secretEnv: [token],
    timeoutMillis: 60_000,
    interactive: true,
    command: ["make", "test"]
  },
  "machine status": { name: "box" },
  "machine ls": {},
  "machine update": { name: "box", cpus: 4, memMib: 2048, net: true, ports: [web], removeEnv: ["CI"] },
  "machine images": { name: "box" },
  "machine prune": { name: "box", all: true, dryRun: true },
  "machine shell": { name: "box" },
  "machine cp": { src: "/srv/report.txt", dst: "box:/workspace/report.txt", mode: 0o640 },
  "machine monitor": { name: "box", restart: "on-failure", healthCmd: "true", intervalSeconds: 10 },
  "machine data-dir": { name: "box" },
  "machine fork": { golden: "base", name: "clone" },
  "machine egress-events": { name: "box", limit: 50 },
  "machine fork-release": { name: "clone" },
  "pack create": { output: "/srv/web.pack", image: "alpine:3.20", cpus: 2, singleFile: true },
  "pack run": { sidecar: "/srv/web.smolmachine", volumes: [project], command: ["make", "test"] },
  "pack push": { file: "/srv/web.smolmachine", reference: "registry.example/web:1" },
  "pack pull": { reference: "registry.example/web:1", output: "/srv/web.smolmachine" },
  "pack inspect": { reference: "registry.example/web:1" },
  "pack prune": { keep: 2, dryRun: true }
}

const policy = { allowCidrs: ["192.0.2.0/24"], allowHosts: ["192.0.2.10"], outboundLocalhostOnly: true }
const defaults = { cpus: 4, memMib: 8192 }

/** Options that a release may drop in silence. */
export const circumstances = {
  "machine create": [
    { name: "box", from: "/srv/web.smolmachine", ...policy },
    { name: "box", from: "/srv/web.smolmachine", ...defaults },
    { name: "box", smolfile: "/srv/Smolfile", ...defaults },
    { name: "box", image: "alpine:3.20", ...policy }
  ],
  "machine run": [
    { from: "/srv/web.smolmachine", ...defaults },
    { smolfile: "/srv/Smolfile", ...defaults },
    { image: "alpine:3.20", ...policy, command: ["true"] }
  ]
}
