import * as Failure from "@bottle/docker/Failure"
import { assert, describe, it } from "@effect/vitest"

const help = "\n\nRun 'docker run --help' for more information\n"
const see = ".\nSee 'docker run --help'.\n"
const id = "437855edd7e96b642fe224022a07d57183e043b22c3edb61fb5ab04bdd405345"
const conflict = `docker: Error response from daemon: Conflict. The container name "/c1" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name`

/** What the clients 28.2 and 20.10 print, with the 20.10 daemon behind them; where both print the same, once. */
const texts: Readonly<Record<string, ReadonlyArray<string>>> = {
  isDaemonUnreachable: [
    "Cannot connect to the Docker daemon at unix:///run/d.sock. Is the docker daemon running?\nexit status 1\n",
    "Cannot connect to the Docker daemon at tcp://127.0.0.1:1. Is the docker daemon running?\n",
    `docker: Cannot connect to the Docker daemon at unix:///run/d.sock. Is the docker daemon running?${help}`,
    `docker: Cannot connect to the Docker daemon at unix:///run/d.sock. Is the docker daemon running?${see}`,
    'permission denied while trying to connect to the Docker daemon socket at unix:///run/d.sock: Post "http://%2Frun%2Fd.sock/v1.24/networks/create": dial unix /run/d.sock: connect: permission denied\n',
    `docker: permission denied while trying to connect to the Docker daemon socket at unix:///run/d.sock: Head "http://%2Frun%2Fd.sock/_ping": dial unix /run/d.sock: connect: permission denied${help}`,
    'error during connect: Get "http://docker.example.com/v1.50/containers/json": command [ssh -o ConnectTimeout=30 -T -l nobody -p 1 -- 127.0.0.1 docker system dial-stdio] has exited with exit status 255, make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=ssh: connect to host 127.0.0.1 port 1: Connection refused\n'
  ],
  isSubnetOverlap: ["Error response from daemon: Pool overlaps with other one on this address space\n"],
  isSubnetsExhausted: [
    "Error response from daemon: could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network\n"
  ],
  isNetworkExists: ["Error response from daemon: network with name n1 already exists\n"],
  isNetworkNotFound: [
    "Error response from daemon: network nope not found\nexit status 1\n",
    "\nError response from daemon: network nope not found\n",
    "Error: No such network: nope\n",
    `docker: Error response from daemon: network none2 not found${help}`,
    `docker: Error response from daemon: network none2 not found${see}`
  ],
  isNetworkInUse: [
    `Error response from daemon: error while removing network: network n1 id ${id} has active endpoints\nexit status 1\n`,
    `Error response from daemon: error while removing network: network n1 id ${id} has active endpoints\n`
  ],
  isAddressInUse: [
    `docker: Error response from daemon: Address already in use${help}`,
    `docker: Error response from daemon: Address already in use${see}`
  ],
  isAddressOutsideSubnet: [
    `docker: Error response from daemon: Invalid address 192.168.79.2: It does not belong to any of this network's subnets${help}`,
    `docker: Error response from daemon: Invalid address 192.168.79.2: It does not belong to any of this network's subnets${see}`
  ],
  isMountSourceMissing: [
    `docker: Error response from daemon: invalid mount config for type "bind": bind source path does not exist: /nonexistent${help}`,
    `docker: Error response from daemon: invalid mount config for type "bind": bind source path does not exist: /non,exi st: x${see}`
  ],
  isContainerExists: [`${conflict}.${help}`, `${conflict}.\nSee 'docker run --help'.\n`],
  isContainerNotFound: [
    "Error response from daemon: No such container: nope\n",
    "Error: No such container: nope\n",
    "Error response from daemon: Cannot kill container: nope: No such container: nope\n"
  ],
  isContainerNotRunning: [
    `Error response from daemon: Cannot kill container: c1: Container ${id} is not running\n`,
    `Error response from daemon: Container ${id} is not running\n`,
    `Error response from daemon: container ${id} is not running\n`
  ],
  isRemovalInProgress: ["Error response from daemon: removal of container rr is already in progress\n"],
  isImageNotFound: [
    "\nError response from daemon: no such image: nope: No such image: nope:latest\n",
    "Error response from daemon: No such image: nope:latest\n",
    "Error: No such image: nope\n",
    `docker: Error response from daemon: No such image: nosuch:1${help}`,
    `docker: Error response from daemon: No such image: nosuch:1${see}`
  ]
}

const predicates: Readonly<Record<string, (outcome: Failure.Outcome) => boolean>> = {
  isDaemonUnreachable: Failure.isDaemonUnreachable,
  isSubnetOverlap: Failure.isSubnetOverlap,
  isSubnetsExhausted: Failure.isSubnetsExhausted,
  isNetworkExists: Failure.isNetworkExists,
  isNetworkNotFound: Failure.isNetworkNotFound,
  isNetworkInUse: Failure.isNetworkInUse,
  isAddressInUse: Failure.isAddressInUse,
  isAddressOutsideSubnet: Failure.isAddressOutsideSubnet,
  isMountSourceMissing: Failure.isMountSourceMissing,
  isContainerExists: Failure.isContainerExists,
  isContainerNotFound: Failure.isContainerNotFound,
  isContainerNotRunning: Failure.isContainerNotRunning,
  isRemovalInProgress: Failure.isRemovalInProgress,
  isImageNotFound: Failure.isImageNotFound
}

/** Failures that have no predicate. */
const others = [
  "no matching subnet for gateway 10.1.1.1\n",
  'Error response from daemon: conflict: unable to remove repository reference "probe:1" (must force) - container 322275c4eb6e is using its referenced image 607d5f61cf36\n',
  `docker: Error response from daemon: invalid mount config for type "bind": field Source must not be empty${help}`,
  `docker: Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nosuchcmd": executable file not found in $PATH: unknown${help}`,
  "Error response from daemon: Invalid signal: FOO\n",
  ""
]

describe("Failure", () => {
  it.each(Object.keys(predicates))("%s knows its own texts and no others", (name) => {
    const predicate = predicates[name] ?? (() => assert.fail(name))
    for (const [cause, known] of Object.entries(texts)) {
      for (const stderr of known) assert.strictEqual(predicate({ exitCode: 1, stderr }), cause === name, stderr)
    }
    for (const stderr of others) assert.isFalse(predicate({ exitCode: 1, stderr }), stderr)
  })

  it.each(Object.entries(predicates))("%s is not about a call that has succeeded", (name, predicate) => {
    for (const stderr of texts[name] ?? []) assert.isFalse(predicate({ exitCode: 0, stderr }))
  })

  it.each(Object.entries(predicates))("%s is not fooled by text that begins otherwise", (name, predicate) => {
    for (const stderr of texts[name] ?? []) {
      assert.isFalse(predicate({ exitCode: 1, stderr: stderr.replace(/^(\n?)/, "$1the container said: ") }))
    }
  })

  it("finds the line that says why", () => {
    const reasons: ReadonlyArray<readonly [string, string]> = [
      ["Error response from daemon: network nope not found\nexit status 1\n", "network nope not found"],
      [`docker: Error response from daemon: Address already in use${help}`, "Address already in use"],
      [`docker: Error response from daemon: Address already in use${see}`, "Address already in use."],
      ["WARNING: something\nError: No such image: nope\n", "No such image: nope"],
      ["no matching subnet for gateway 10.1.1.1\n", "no matching subnet for gateway 10.1.1.1"],
      [
        "Step 2/2 : RUN exit 3\nRemoving intermediate container 44a3\nThe command '/bin/sh -c exit 3' returned a non-zero code: 3\n",
        "The command '/bin/sh -c exit 3' returned a non-zero code: 3"
      ],
      ["\n", ""]
    ]
    for (const [stderr, reason] of reasons) assert.strictEqual(Failure.reasonLine(stderr), reason)
  })
})
