import * as ContainerExec from "../src/ContainerExec.js"
import * as ContainerInspect from "@bottle/docker/ContainerInspect"
import * as ContainerKill from "@bottle/docker/ContainerKill"
import * as ContainerList from "@bottle/docker/ContainerList"
import * as ContainerLogs from "@bottle/docker/ContainerLogs"
import * as ContainerRemove from "@bottle/docker/ContainerRemove"
import * as ContainerRun from "@bottle/docker/ContainerRun"
import type { DockerArgumentRefused } from "@bottle/docker/DockerError"
import * as ImageBuild from "@bottle/docker/ImageBuild"
import * as ImageInspect from "@bottle/docker/ImageInspect"
import * as ImageRemove from "@bottle/docker/ImageRemove"
import * as NetworkCreate from "@bottle/docker/NetworkCreate"
import * as NetworkInspect from "@bottle/docker/NetworkInspect"
import * as NetworkList from "@bottle/docker/NetworkList"
import * as NetworkRemove from "@bottle/docker/NetworkRemove"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"

type Argv = Either.Either<ReadonlyArray<string>, DockerArgumentRefused>

const words = (argv: Argv): ReadonlyArray<string> => Either.getOrThrowWith(argv, (refused) => refused)

const accepts = (argv: Argv, expected: ReadonlyArray<string>) => assert.deepStrictEqual(words(argv), expected)

const refuses = (argv: Argv, message: string) =>
  assert.strictEqual(Either.isLeft(argv) ? argv.left.message : "accepted", message)

const network = { name: "bottle-x1", subnet: "192.168.7.0/24", gateway: "192.168.7.1", labels: {} }

const container: ContainerRun.ContainerRunOptions = {
  name: "bottle-x1",
  image: "bottle-bundle:1",
  network: "bottle-x1",
  labels: {},
  readonlyRoot: false,
  user: "65532",
  memoryMib: 256,
  pids: 64
}

const run = (options: Partial<ContainerRun.ContainerRunOptions>) => ContainerRun.argv({ ...container, ...options })

const always = [
  ...["run", "--detach", "--pull", "never", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
  ...["--log-driver", "json-file", "--log-opt", "max-size=16m", "--log-opt", "max-file=2"]
]

const id = "0123456789abcdef".repeat(4)

describe("network create", () => {
  it("has a driver, a subnet and a gateway", () =>
    accepts(NetworkCreate.argv(network), [
      ...["network", "create", "--driver", "bridge", "--subnet", "192.168.7.0/24", "--gateway", "192.168.7.1"],
      "bottle-x1"
    ]))

  it("takes labels and internal", () =>
    accepts(NetworkCreate.argv({ ...network, labels: { "bottle.id": "x1", note: "a b=c,d" }, internal: true }), [
      ...["network", "create", "--driver", "bridge", "--subnet", "192.168.7.0/24", "--gateway", "192.168.7.1"],
      ...["--label", "bottle.id=x1", "--label", "note=a b=c,d", "--internal", "bottle-x1"]
    ]))

  it("refuses subnets, gateways and labels that are none", () => {
    const subnet = "docker network create: --subnet must be an IPv4 ADDRESS/PREFIX, its prefix from 8 to 30"
    refuses(NetworkCreate.argv({ ...network, subnet: "192.168.7.0" }), subnet)
    refuses(NetworkCreate.argv({ ...network, subnet: "192.168.7.0/31" }), subnet)
    refuses(NetworkCreate.argv({ ...network, subnet: "192.168.7.0/7" }), subnet)
    refuses(NetworkCreate.argv({ ...network, subnet: "fd00::/64" }), subnet)
    refuses(
      NetworkCreate.argv({ ...network, gateway: "--internal" }),
      "docker network create: --gateway must be an IPv4 address"
    )
    refuses(
      NetworkCreate.argv({ ...network, labels: { "a=b": "c" } }),
      "docker network create: --label needs a name of letters, digits, '_', '.', '/' and '-' that begins with a letter or digit"
    )
    refuses(
      NetworkCreate.argv({ ...network, labels: { a: "b\nc" } }),
      "docker network create: --label must not have a control character in it"
    )
  })
})

describe("names", () => {
  const grammar = "must be 2 to 128 letters, digits, '_', '.' and '-', and begin with a letter or digit"
  const byName: ReadonlyArray<readonly [string, (name: string) => Argv, ReadonlyArray<string>]> = [
    ["network rm", NetworkRemove.argv, ["network", "rm"]],
    ["network inspect", NetworkInspect.argv, ["network", "inspect", "--format", "{{json .}}"]],
    ["container inspect", ContainerInspect.argv, ["container", "inspect", "--format", "{{json .}}"]],
    ["rm", ContainerRemove.argv, ["rm", "--force", "--volumes"]],
    ["logs", ContainerLogs.argv, ["logs", "--follow"]],
    ["kill", (name) => ContainerKill.argv({ name, signal: "SIGHUP" }), ["kill", "--signal", "SIGHUP"]]
  ]

  it("of a container in which something is run follow it too, and its words are any", () => {
    accepts(ContainerExec.argv({ name: "bottle-x1", command: ["node", "--x", "a b"] }), [
      "exec",
      "--interactive",
      "bottle-x1",
      "node",
      "--x",
      "a b"
    ])
    refuses(ContainerExec.argv({ name: "-f", command: ["node"] }), `docker exec: the name ${grammar}`)
    refuses(
      ContainerExec.argv({ name: "bottle-x1", command: ["node", "a\0"] }),
      "docker exec: the command must not have a NUL byte in it"
    )
  })

  it.each(byName)("of %s follow docker's grammar", (command, argv, before) => {
    accepts(argv("bottle-x1"), [...before, "bottle-x1"])
    accepts(argv("x".repeat(128)), [...before, "x".repeat(128)])
    for (const name of ["", "x", "-f", "--all", "a b", "a/b", ".x", "x\n", "x".repeat(129)]) {
      refuses(argv(name), `docker ${command}: the name ${grammar}`)
    }
  })

  it.each(byName)("of %s are not taken for the beginning of an identifier", (command, argv, before) => {
    accepts(argv("cafe-1"), [...before, "cafe-1"])
    for (const name of ["cafe", "0123456789", "CAFE", id]) {
      refuses(
        argv(name),
        `docker ${command}: the name must not be hexadecimal digits only, which docker would take for an identifier`
      )
    }
  })

  it("of many are whole identifiers", () => {
    accepts(NetworkInspect.argvOfIds([id, id]), ["network", "inspect", "--format", "{{json .}}", id, id])
    accepts(ContainerInspect.argvOfIds([id]), ["container", "inspect", "--format", "{{json .}}", id])
    refuses(NetworkInspect.argvOfIds([id, "cafe"]), "docker network inspect: an identifier must be a whole identifier")
    refuses(
      ContainerInspect.argvOfIds(["--size"]),
      "docker container inspect: an identifier must be a whole identifier"
    )
  })
})

describe("lists", () => {
  const labels = { "bottle.owner": "me", "bottle.id": "x=1,2" }
  const filters = ["--filter", "label=bottle.owner=me", "--filter", "label=bottle.id=x=1,2"]

  it("filter by each label and print identifiers", () => {
    accepts(NetworkList.argv({ labels }), ["network", "ls", "--no-trunc", ...filters, "--format", "{{.ID}}"])
    accepts(ContainerList.argv({ labels }), [
      ...["container", "ls", "--all", "--no-trunc", ...filters, "--format", "{{.ID}}"]
    ])
    accepts(ContainerList.argv({ labels: {} }), [...["container", "ls", "--all", "--no-trunc", "--format", "{{.ID}}"]])
  })

  it("refuse labels that are none", () => {
    const name = "needs a name of letters, digits, '_', '.', '/' and '-' that begins with a letter or digit"
    refuses(NetworkList.argv({ labels: { "": "x" } }), `docker network ls: --filter ${name}`)
    refuses(ContainerList.argv({ labels: { "-a": "x" } }), `docker container ls: --filter ${name}`)
  })
})

describe("images", () => {
  it("are inspected and removed by reference", () => {
    for (const reference of ["bottle-bundle:1", "registry.example/a/b:1", "bundle@sha256:0123", id, `sha256:${id}`]) {
      accepts(ImageInspect.argv(reference), ["image", "inspect", "--format", "{{json .}}", reference])
      accepts(ImageRemove.argv(reference), ["image", "rm", reference])
    }
  })

  it("refuse what is no reference", () => {
    const problem =
      "the image must be an image reference of at most 512 letters, digits and '_.:/@-', and begin with a letter or digit"
    for (const reference of ["", "-f", "a b", "a\n", "x".repeat(513)]) {
      refuses(ImageInspect.argv(reference), `docker image inspect: ${problem}`)
      refuses(ImageRemove.argv(reference), `docker image rm: ${problem}`)
    }
    refuses(
      ImageRemove.argv("cafe"),
      "docker image rm: the image must not be hexadecimal digits only, which docker would take for an identifier"
    )
  })

  it("are built without a network", () => {
    accepts(ImageBuild.argv({ context: "/tmp/context", tag: "bottle-bundle:1", labels: {} }), [
      ...["build", "--quiet", "--force-rm", "--network", "none", "--tag", "bottle-bundle:1", "/tmp/context"]
    ])
    accepts(
      ImageBuild.argv({ context: "/a b", tag: "x:1", args: { BASE: "node:20", X: "a b=c" }, labels: { a: "b" } }),
      [
        ...["build", "--quiet", "--force-rm", "--network", "none", "--tag", "x:1", "--build-arg", "BASE=node:20"],
        ...["--build-arg", "X=a b=c", "--label", "a=b", "/a b"]
      ]
    )
  })

  it("are not built from what is no directory, or with what is no argument", () => {
    const build = { context: "/context", tag: "x:1", labels: {} }
    for (const context of ["-", "context", "https://registry.example/x.git", ""]) {
      refuses(ImageBuild.argv({ ...build, context }), "docker build: the context must be an absolute path")
    }
    refuses(
      ImageBuild.argv({ ...build, args: { "A B": "" } }),
      "docker build: --build-arg needs a name of letters, digits and '_'"
    )
    refuses(
      ImageBuild.argv({ ...build, tag: "--pull" }),
      "docker build: --tag must be an image reference of at most 512 letters, digits and '_.:/@-', and begin with a letter or digit"
    )
  })
})

describe("run", () => {
  it("has no capabilities, fetches nothing and keeps a bounded log", () =>
    accepts(run({}), [
      ...always,
      ...["--name", "bottle-x1", "--network", "bottle-x1", "--user", "65532"],
      ...["--memory", "256m", "--memory-swap", "256m", "--pids-limit", "64", "bottle-bundle:1"]
    ]))

  it("takes everything else in a fixed order", () =>
    accepts(
      run({
        ip: "192.168.7.2",
        labels: { "bottle.id": "x1" },
        env: { BOTTLE_DAEMONS: "egress", EMPTY: "", TEXT: "a b\nc=d" },
        secretNames: ["API_KEY", "OTHER"],
        mounts: [
          { host: "/run/x", container: "/etc/bottle", readonly: true },
          { host: "/data", container: "/data", readonly: false }
        ],
        tmpfs: [{ path: "/tmp", sizeMib: 16 }],
        readonlyRoot: true,
        user: "65532:65533",
        command: ["egress", "--verbose", "-e", "X"]
      }),
      [
        ...always,
        ...["--name", "bottle-x1", "--network", "bottle-x1", "--ip", "192.168.7.2", "--user", "65532:65533"],
        ...["--memory", "256m", "--memory-swap", "256m", "--pids-limit", "64"],
        ...["--mount", "type=bind,source=/run/x,target=/etc/bottle,readonly"],
        ...["--mount", "type=bind,source=/data,target=/data"],
        ...["--tmpfs", "/tmp:rw,noexec,nosuid,nodev,size=16m,mode=1777"],
        ...["--env", "BOTTLE_DAEMONS=egress", "--env", "EMPTY=", "--env", "TEXT=a b\nc=d"],
        ...["--env", "API_KEY", "--env", "OTHER", "--label", "bottle.id=x1", "--read-only"],
        ...["bottle-bundle:1", "egress", "--verbose", "-e", "X"]
      ]
    ))

  it("quotes what separates the fields of a mount", () => {
    const mounted = (host: string) => words(run({ mounts: [{ host, container: "/x", readonly: true }] })).at(-2)
    assert.strictEqual(mounted("/a b=c'd"), "type=bind,source=/a b=c'd,target=/x,readonly")
    assert.strictEqual(mounted("/a,readonly=false"), 'type=bind,"source=/a,readonly=false",target=/x,readonly')
    assert.strictEqual(mounted('/a"b'), 'type=bind,"source=/a""b",target=/x,readonly')
  })

  it("refuses paths that are not absolute or have control characters", () => {
    const mounted = (host: string, path: string) => run({ mounts: [{ host, container: path, readonly: true }] })
    refuses(mounted("a", "/x"), "docker run: --mount must be an absolute path")
    refuses(mounted("/a", "x"), "docker run: --mount must be an absolute path")
    refuses(mounted("/a\nb", "/x"), "docker run: --mount must not have a control character in it")
    refuses(run({ tmpfs: [{ path: "tmp", sizeMib: 1 }] }), "docker run: --tmpfs must be an absolute path")
    refuses(
      run({ tmpfs: [{ path: "/tmp:exec", sizeMib: 1 }] }),
      "docker run: --tmpfs cannot take a path with ':' or ',' in it"
    )
  })

  it("refuses networks that are docker's own", () => {
    assert.include(words(run({ network: "none" })), "none")
    for (const name of ["host", "bridge", "default"]) {
      refuses(run({ network: name }), `docker run: --network cannot be ${name}, which is docker's own`)
    }
    refuses(
      run({ network: "container:x" }),
      "docker run: --network must be 2 to 128 letters, digits, '_', '.' and '-', and begin with a letter or digit"
    )
  })

  it("refuses users by name, and limits that are none", () => {
    const user = "docker run: --user must be UID or UID:GID, as numbers"
    refuses(run({ user: "root" }), user)
    refuses(run({ user: "" }), user)
    refuses(run({ user: "1:2:3" }), user)
    refuses(run({ memoryMib: 5 }), "docker run: --memory must be a whole number from 6 to 1048576")
    refuses(run({ pids: 0 }), "docker run: --pids-limit must be a whole number from 1 to 4194304")
    refuses(run({ pids: 1.5 }), "docker run: --pids-limit must be a whole number from 1 to 4194304")
    refuses(run({ ip: "fd00::2" }), "docker run: --ip must be an IPv4 address")
    refuses(
      run({ image: "--privileged" }),
      `docker run: the image ${"must be an image reference of at most 512 letters, digits and '_.:/@-', and begin with a letter or digit"}`
    )
  })

  it("refuses variables without a name, and NUL bytes", () => {
    const name = "docker run: --env needs a name of letters, digits and '_'"
    refuses(run({ env: { "": "x" } }), name)
    refuses(run({ env: { "A=B": "x" } }), name)
    refuses(run({ secretNames: ["A=B"] }), name)
    refuses(run({ env: { A: "x\0y" } }), "docker run: --env must not have a NUL byte in it")
    refuses(run({ command: ["x\0y"] }), "docker run: the command must not have a NUL byte in it")
  })

  it("refuses secrets whose names the client reads itself", () => {
    for (const name of ["API_KEY", "PATHS", "MY_DOCKER_TOKEN", "GOOGLE_API_KEY", "LANGCHAIN_KEY"]) {
      assert.include(words(run({ secretNames: [name] })), name)
    }
    const names = [
      ...["PATH", "HOME", "USER", "TMPDIR", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_ANYTHING", "LD_PRELOAD"],
      ...["LD_LIBRARY_PATH", "GODEBUG", "SSL_CERT_FILE", "HTTP_PROXY", "https_proxy", "SSH_AUTH_SOCK"],
      ...["XDG_CONFIG_HOME", "CONTAINERS_CONF", "GLIBC_TUNABLES"]
    ]
    for (const name of names) {
      refuses(
        run({ secretNames: [name] }),
        `docker run: --env cannot take a secret named ${name}, which the client itself reads`
      )
    }
    refuses(
      run({ env: { API_KEY: "x" }, secretNames: ["API_KEY"] }),
      "docker run: --env has API_KEY both as a secret and as a plain value"
    )
  })
})
