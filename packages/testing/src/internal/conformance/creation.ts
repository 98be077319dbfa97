import * as Line from "@bottle/smolvm/Line"
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import * as Checks from "./checks.js"
import type { Case } from "./model.js"
import { Subject } from "./model.js"

/** What `machine create` refuses and what it takes: nothing of this needs a machine to boot. */

const sources: ReadonlyArray<Case> = [
  {
    name: "machine create refuses a pack that is not there, and makes nothing",
    needs: [],
    run: Effect.gen(function* () {
      const { directory } = yield* Subject
      yield* Checks.isNotCreated(["--from", Path.join(directory, "no-such.smolmachine")])
      yield* Checks.created()
    })
  },
  {
    name: "machine create refuses an image without a name, and makes nothing",
    needs: [],
    since: "0.8.1",
    run: Effect.gen(function* () {
      yield* Checks.isNotCreated(["--image", ""])
      yield* Checks.created()
    })
  },
  {
    name: "machine create refuses two volumes in one place, and makes nothing",
    needs: ["files"],
    since: "0.8.1",
    run: Effect.gen(function* () {
      const { directory } = yield* Subject
      yield* Checks.isNotCreated(["-v", `${directory}:/v:ro`, "-v", `${directory}:/v:ro`])
      const name = yield* Checks.created(["-v", `${directory}:/v:ro`, "-v", `${directory}:/w:ro`])
      const { mounts } = yield* Checks.status(name)
      yield* Checks.verify(mounts === 2, `expected 2 mounts, got ${JSON.stringify(mounts)}`)
    })
  },
  {
    name: "machine create refuses references to secrets that are no NAME=SOURCE, or name one twice",
    needs: [],
    since: "1.0.0",
    run: Effect.gen(function* () {
      yield* Checks.isNotCreated(["--secret-env", "NO_SOURCE"])
      yield* Checks.isNotCreated(["--secret-env", "=SOURCE"])
      yield* Checks.isNotCreated(["--secret-env", "ONE=A", "--secret-env", "ONE=B"])
      yield* Checks.isNotCreated(["--secret-env", "ONE=A", "--secret-file", "ONE=/etc/hostname"])
      yield* Checks.isNotCreated(["--secret-file", "ONE=etc/hostname"])
      yield* Checks.created(["--secret-env", "ONE=A", "--secret-env", "TWO=A"])
    })
  },
  {
    name: "machine create --mount-socket refuses guest paths that are not absolute, or taken",
    needs: [],
    since: "1.6.4",
    run: Effect.gen(function* () {
      const { directory } = yield* Subject
      const host = Path.join(directory, "socket")
      yield* Checks.isNotCreated(["--mount-socket", `${host}:relative.sock`])
      yield* Checks.isNotCreated(["--mount-socket", host])
      yield* Checks.isNotCreated(["--mount-socket", `${host}:/run/a.sock`, "--mount-socket", `${host}:/run/a.sock`])
      yield* Checks.created(["--mount-socket", `${host}:/run/a.sock`, "--mount-socket", `${host}:/run/b.sock`])
    })
  },
  {
    name: "pack create refuses an output that ends in .smolmachine",
    needs: [],
    since: "1.7.0",
    run: Effect.gen(function* () {
      const missing = yield* Checks.freshName
      const line = (output: string) => ["pack", "create", "--from-vm", missing, "-o", output]
      const refused = yield* Checks.answers(line("x.smolmachine"), { code: "failure" })
      yield* Checks.verify(!/vm not found/.test(Checks.stderrOf(refused)), "expected a word about the output", refused)
      yield* Checks.fails(line("x"), /vm not found: /)
    })
  }
]

/** What publishes a port in a version. */
const publishing = Effect.map(Subject, ({ capabilities: { version } }) =>
  Line.compare(version, "1.0.2") >= 0 ? ["--net", "--net-backend", "virtio-net"] : ["--net"]
)

const networks: ReadonlyArray<Case> = [
  {
    name: "machine create makes no network unless it is asked to, and status tells which",
    needs: ["network"],
    run: Effect.gen(function* () {
      const [closed, open] = [yield* Checks.created(), yield* Checks.created(["--net"])]
      const [without, with_] = [yield* Checks.status(closed), yield* Checks.status(open)]
      yield* Checks.verify(without["network"] === false, "expected no network where none was asked for")
      yield* Checks.verify(with_["network"] === true, "expected a network where one was asked for")
    })
  },
  {
    name: "machine create -p refuses a host port twice and ports that are none, and status counts them",
    needs: ["network"],
    run: Effect.gen(function* () {
      const network = yield* publishing
      const name = yield* Checks.freshName
      yield* Checks.isUsageError(yield* Checks.createLine(name, [...network, "-p", "0:80"]))
      yield* Checks.isUsageError(yield* Checks.createLine(name, [...network, "-p", "65536"]))
      yield* Checks.isNotCreated([...network, "-p", "18080:80", "-p", "18080:81"])
      const { ports } = yield* Checks.status(yield* Checks.created([...network, "-p", "18080:80", "-p", "18081"]))
      yield* Checks.verify(ports === 2, `expected 2 ports, got ${JSON.stringify(ports)}`)
    })
  },
  {
    name: "machine create refuses virtio-net without a network to use it for",
    needs: ["network"],
    run: Effect.gen(function* () {
      yield* Checks.isNotCreated(["--net-backend", "virtio-net"])
      yield* Checks.created(["--net-backend", "virtio-net", "--net"])
    })
  },
  {
    name: "machine create refuses a policy on virtio-net",
    needs: ["network"],
    before: "1.0.2",
    run: Effect.gen(function* () {
      yield* Checks.isNotCreated(["--net", "--net-backend", "virtio-net", "--allow-cidr", "10.0.0.1/32"])
      yield* Checks.created(["--net", "--net-backend", "tsi", "--allow-cidr", "10.0.0.1/32"])
    })
  },
  {
    name: "machine create takes a policy on virtio-net, and on tsi, which does not hold it",
    needs: ["network"],
    since: "1.0.2",
    before: "1.1.3",
    run: Effect.gen(function* () {
      yield* Checks.created(["--net", "--net-backend", "virtio-net", "--allow-cidr", "10.0.0.1/32"])
      yield* Checks.created(["--net", "--net-backend", "tsi", "--allow-cidr", "10.0.0.1/32"])
      yield* Checks.isUsageError(yield* Checks.createLine(yield* Checks.freshName, ["--allow-cidr", "10.0.0.1/33"]))
    })
  },
  {
    name: "machine create refuses a policy on tsi, which would not hold it",
    needs: ["network"],
    since: "1.1.3",
    run: Effect.gen(function* () {
      yield* Checks.isNotCreated(["--net", "--net-backend", "tsi", "--allow-cidr", "10.0.0.1/32"])
      yield* Checks.isNotCreated(["--net", "--net-backend", "tsi", "--allow-host", "10.0.0.1"])
      yield* Checks.created(["--net", "--net-backend", "virtio-net", "--allow-host", "10.0.0.1"])
      yield* Checks.created(["--net", "--allow-cidr", "10.0.0.1"])
    })
  },
  {
    name: "machine create --allow-host takes hosts, not ports of them",
    needs: ["network"],
    run: Effect.gen(function* () {
      yield* Checks.isNotCreated(["--net", "--allow-host", "10.0.0.1:443"])
      yield* Checks.created(["--net", "--allow-host", "10.0.0.1"])
    })
  },
  {
    name: "machine create refuses an image of a registry without a network to pull it by",
    needs: ["network"],
    since: "1.7.3",
    run: Effect.gen(function* () {
      yield* Checks.isNotCreated(["--image", "alpine"])
      const name = yield* Checks.freshName
      yield* Checks.removeLater(name)
      yield* Checks.succeeds(yield* Checks.createLine(name, ["--image", "alpine", "--net"]))
      const { image } = yield* Checks.status(name)
      yield* Checks.verify(image === "alpine", `expected the image alpine, got ${JSON.stringify(image)}`)
    })
  },
  {
    name: "machine create takes an image of a registry without a network",
    needs: ["network"],
    before: "1.7.3",
    run: Effect.gen(function* () {
      const name = yield* Checks.freshName
      yield* Checks.removeLater(name)
      yield* Checks.succeeds(yield* Checks.createLine(name, ["--image", "alpine"]))
      const { image } = yield* Checks.status(name)
      yield* Checks.verify(image === "alpine", `expected the image alpine, got ${JSON.stringify(image)}`)
      yield* Checks.isNotCreated(["--image", "alpine", "--image", "debian"])
    })
  },
  {
    name: "machine create or start refuses a port of the host that another machine has, and names that one",
    needs: ["guest", "network"],
    run: Effect.gen(function* () {
      const { createArguments } = yield* Subject
      const options = [...(yield* publishing), "-p", "18082:80"]
      const name = yield* Checks.running(options)
      const other = yield* Checks.freshName
      yield* Checks.removeLater(other)
      const created = yield* Checks.call(yield* Checks.createLine(other, [...createArguments, ...options]))
      const refused = created.code === 0 ? yield* Checks.call(Checks.on("start", other)) : created
      const says = `host port 18082 is already in use by running machine '${name}'`
      yield* Checks.verify(refused.code === 1 && Checks.stderrOf(refused).includes(says), `expected '${says}'`, refused)
      yield* Checks.running()
    })
  }
]

export const cases: ReadonlyArray<Case> = [...sources, ...networks]
