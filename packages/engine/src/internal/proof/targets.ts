import * as Decision from "@bottle/egress/Decision"
import * as Policy from "@bottle/egress/Policy"
import * as Proxy from "@bottle/egress/Proxy"
import * as Either from "effect/Either"
import * as Net from "node:net"
import * as GuestRelay from "../../GuestRelay.js"
import type { LaunchPlan } from "../../LaunchPlan.js"
import type { DecoyRequest } from "./decoys.js"
import type { Outside } from "./witness.js"

/** What the engine takes from a plan to prove it. */
export interface Situation {
  /** Where the guest has its proxy; `null` without a bundle. */
  readonly proxy: { readonly host: string; readonly port: number } | null
  /** The bundle's own address, where it has one. */
  readonly container: {
    readonly address: string
    readonly gateway: string
    readonly port: number
    readonly topology: "socket" | "address"
  } | null
  readonly policy: Policy.Policy
}

export const situationOf = (plan: LaunchPlan): Situation => {
  const { bundle } = plan
  const subnet = bundle._tag === "Container" ? bundle.candidates[bundle.chosen] : undefined
  const container =
    bundle._tag === "Container" && subnet !== undefined
      ? { address: subnet.address, gateway: subnet.gateway, port: bundle.port, topology: bundle.topology }
      : null
  const inGuest = { host: "127.0.0.1", port: GuestRelay.GUEST_PORT }
  const proxy =
    bundle._tag === "None"
      ? null
      : container?.topology === "address"
        ? { host: container.address, port: container.port }
        : inGuest
  return { proxy, container, policy: Either.getOrElse(Policy.fromDocument(plan.egress), () => Policy.empty) }
}

/** The names of this one proof, which nobody else asks for. */
export interface Names {
  /** Random; every name below is made of it. */
  readonly token: string
}

/** A name that no policy lists and no resolver knows (RFC 6761). The label says who asked. */
export const hostName = (names: Names, label: string): string => `${label}.${names.token}.bottle-proof.invalid`

/** What a probe expects, and by what it is judged. */
export type Judge =
  /** The bundle answers its nonce. */
  | { readonly _tag: "Bundle" }
  /** The guest's program reaches a listener of its own, which answers the token. */
  | { readonly _tag: "OwnListener" }
  /** Nothing reaches this decoy. */
  | { readonly _tag: "Decoy"; readonly decoy: number }
  /** Nothing reaches this second bundle. */
  | { readonly _tag: "Neighbour"; readonly neighbour: number }
  /** Nothing there answers; the host itself is answered by one of these witnesses. */
  | { readonly _tag: "Outside"; readonly witnesses: ReadonlyArray<number>; readonly isNetworked: boolean }
  /** The same of a resolver: on a network, one that does not know the root of all names is a filter, and no way out. */
  | { readonly _tag: "Resolver"; readonly witnesses: ReadonlyArray<number>; readonly answer: string }
  /** Nothing listens there but what the host's witness sees too. */
  | { readonly _tag: "BundlePort"; readonly witness: number }
  /** The proxy refuses and says so in its log; nothing reaches the decoy, where there is one. */
  | { readonly _tag: "Refused"; readonly host: string; readonly port: number }
  /** The policy allows this, so there is nothing to show; the guest is not asked. */
  | { readonly _tag: "Allowed" }
  /** There is no network device but the loopback. */
  | { readonly _tag: "Device" }

/** A probe, before it is made. */
export interface Target {
  readonly id: string
  readonly name: string
  readonly target: string
  readonly expectation: string
  /** What the guest is told after the id; `null` where it is not asked. */
  readonly line: string | null
  readonly judge: Judge
}

/** `bundle` is the proxy's own port at the bundle's address, `bundle-port` any other there. */
export type OutsideKind = "resolver" | "internet" | "metadata" | "bundle" | "bundle-port"

/** What is opened on the host for a proof, apart from the targets that come of it. */
export interface Requests {
  readonly decoys: ReadonlyArray<DecoyRequest>
  readonly neighbours: ReadonlyArray<string>
  readonly outsides: ReadonlyArray<Outside & { readonly kind: OutsideKind }>
}

const ADDRESSES_MAX = 8
const RESOLVERS_MAX = 3
const PUBLIC_RESOLVERS = ["1.1.1.1", "8.8.8.8"]
const METADATA = "169.254.169.254"
const HTTP_REQUEST = Buffer.from("GET / HTTP/1.0\r\n\r\n")

/** A server that everybody may ask, on the ports that are open where no others are. */
const INTERNET = [
  { address: "1.1.1.1", port: 80 },
  { address: "1.1.1.1", port: 443 },
  { address: "2606:4700:4700::1111", port: 443 }
]

/** Ports on which a container may serve, besides the proxy's. */
const OTHER_PORTS = [22, 53, 80, 443, 8080]

/** The loopback in other words, which a runtime that carries connections itself (TSI) may fail to take for one. */
const LOOPBACKS = ["0.0.0.0", "::ffff:7f00:1"]

/**
 * Where a machine's host may be, seen from inside: QEMU's and slirp's address of it, gvproxy's, smolvm's gateway and the
 * name that stands for it from 1.8.3, and whatever the guest itself routes to.
 */
const ALIASES = {
  tcp: [...LOOPBACKS, "100.96.0.1", "host.smolvm.internal", "10.0.2.2", "192.168.127.254", "@gateway"],
  // smolvm's gateway carries no datagrams, and a name costs the guest a process to look up.
  udp: [...LOOPBACKS, "100.96.0.1", "10.0.2.2", "192.168.127.254", "@gateway"]
} as const

const unique = (texts: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(texts)]

/** An address that another machine could dial as it stands: no zone, not this machine's alone. */
const isOuter = (address: string): boolean =>
  Net.isIP(address) !== 0 && !/^(127\.|169\.254\.|fe[89ab])/i.test(address) && address !== "::1"

/** The octal form that the guest turns into bytes. */
const octal = (bytes: Uint8Array): string => [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("")

/** What a resolver is asked, and what its answer must hold to be one. */
export interface Question {
  readonly query: Uint8Array
  readonly answer: string
}

const header = [0x62, 0x70, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]

/** The address of a name: the smallest query that any resolver answers, if only to say that there is none. */
const whereIs = (name: string): Question => {
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label, "latin1")])
  return { query: Uint8Array.from([...header, ...labels, 0, 0, 1, 0, 1]), answer: "" }
}

/** The name servers of the root: every resolver that reaches others knows them, and no policy lists them. */
const whoServesRoot: Question = { query: Uint8Array.from([...header, 0, 0, 2, 0, 1]), answer: "root-servers" }

/**
 * Where there is no network, any answer is a leak. On one, smolvm's gateway answers by itself that no name exists which
 * the policy does not list.
 */
const question = (situation: Situation, name: string): Question =>
  situation.container?.topology === "address" ? whoServesRoot : whereIs(name)

const overTcp = (query: Uint8Array): Uint8Array => Uint8Array.from([query.length >> 8, query.length & 0xff, ...query])

/** What is to be opened, for this host. `addresses` are all of its interfaces', `resolvers` the ones it asks itself. */
export const requests = (
  situation: Situation,
  host: { readonly addresses: ReadonlyArray<string>; readonly resolvers: ReadonlyArray<string> },
  names: Names
): Requests => {
  const gateway = situation.container?.gateway
  const outer = unique(host.addresses.filter((address) => isOuter(address) && address !== gateway))
  const both = (name: string, address: string): ReadonlyArray<DecoyRequest> => [
    { name, protocol: "tcp", address },
    { name, protocol: "udp", address }
  ]
  const { answer, query } = question(situation, hostName(names, "host"))
  const resolvers = unique([
    ...host.resolvers.filter((address) => Net.isIP(address) !== 0).slice(0, RESOLVERS_MAX),
    ...PUBLIC_RESOLVERS
  ])
  const { container } = situation
  const ownPorts =
    container === null
      ? []
      : container.topology === "socket"
        ? [{ kind: "bundle", address: container.address, port: container.port } as const]
        : OTHER_PORTS.filter((port) => port !== container.port).map(
            (port) => ({ kind: "bundle-port", address: container.address, port }) as const
          )
  return {
    decoys: [
      ...both("host-loopback", "127.0.0.1"),
      ...both("host-loopback", "::1"),
      ...outer.slice(0, ADDRESSES_MAX).flatMap((address) => both("host-address", address)),
      ...(gateway === undefined ? [] : both("bridge-gateway", gateway))
    ],
    neighbours: ["127.0.0.1", ...(gateway === undefined ? [] : [gateway])],
    outsides: [
      ...resolvers.flatMap((address) => [
        { kind: "resolver", protocol: "udp", address, port: 53, payload: query, answer } as const,
        { kind: "resolver", protocol: "tcp", address, port: 53, payload: overTcp(query), answer } as const
      ]),
      ...INTERNET.map(
        (it) => ({ ...it, kind: "internet", protocol: "tcp", payload: HTTP_REQUEST, answer: "" }) as const
      ),
      { kind: "metadata", protocol: "tcp", address: METADATA, port: 80, payload: HTTP_REQUEST, answer: "" },
      ...ownPorts.map((own) => ({ ...own, protocol: "tcp", payload: null, answer: "" }) as const)
    ]
  }
}

const DIRECT_MILLIS = 1000

/** The proxy answers what it refuses at once; this is for a machine that stands still. */
const PROXIED_MILLIS = 5000

const at = (address: string, port: number): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`

const direct = (protocol: "tcp" | "udp", host: string, port: number, payload: string): string =>
  `${protocol} ${host} ${port} ${DIRECT_MILLIS} ${payload}`

const get = (host: string, port: number, url: string, hostHeader: string): string =>
  `tcp ${host} ${port} ${PROXIED_MILLIS} GET ${url} HTTP/1.1\\r\\nHost: ${hostHeader}\\r\\nConnection: close\\r\\n\\r\\n`

type Opened = { readonly port: number }

/** The ids of the probes count from 1; what reaches a decoy names the probe that it came from. */
const mark = (id: string): string => `bottle-proof-${id}`

/** The probe that something which reached a decoy came from, as it says itself. */
export const markOf = (payload: string): string | undefined =>
  /bottle-proof-(\d{1,3}(?:\/[0-9A-Za-z.:%]{1,64})?)/.exec(payload)?.[1]

interface Draft extends Omit<Target, "id" | "line"> {
  readonly line: ((id: string) => string) | null
}

const positive = (situation: Situation, names: Names): Draft =>
  situation.proxy === null
    ? {
        name: "guest-tool",
        target: "a listener of the guest's own",
        expectation: "answers",
        line: () => `self - 0 ${DIRECT_MILLIS} ${names.token}`,
        judge: { _tag: "OwnListener" }
      }
    : {
        name: "bundle",
        target: `http://${Proxy.PROOF_HOST}/ through ${at(situation.proxy.host, situation.proxy.port)}`,
        expectation: "the bundle itself answers with the nonce",
        line: (
          ({ host, port }) =>
          () =>
            get(host, port, `http://${Proxy.PROOF_HOST}/`, Proxy.PROOF_HOST)
        )(situation.proxy),
        judge: { _tag: "Bundle" }
      }

const REFUSED = "refused by the proxy, and in its log"

/** What the proxy must refuse. What the policy allows cannot be asked for here: it would reach its target. */
const proxied = (
  situation: Situation,
  decoys: ReadonlyArray<DecoyRequest & Opened>,
  names: Names
): ReadonlyArray<Draft> => {
  const { policy, proxy } = situation
  if (proxy === null) return []
  const refused = (
    name: string,
    asked: { readonly host: string; readonly port: number; readonly method?: string },
    target: string,
    line: (id: string) => string
  ): Draft => {
    const isAllowed =
      Decision.decide(policy, { ...asked, ...(asked.method === undefined ? {} : { path: "/" }) })._tag === "Allow"
    return {
      name,
      target,
      expectation: REFUSED,
      line: isAllowed ? null : line,
      judge: isAllowed ? { _tag: "Allowed" } : { _tag: "Refused", host: asked.host, port: asked.port }
    }
  }
  const name = hostName(names, "guest")
  const listening = decoys.filter((decoy) => decoy.protocol === "tcp" && decoy.port !== 0 && Net.isIPv4(decoy.address))
  const loopback = listening.find((decoy) => decoy.name === "host-loopback")
  const outer =
    listening.find((decoy) => decoy.name === "bridge-gateway") ??
    listening.find((decoy) => decoy.name === "host-address")
  return [
    refused("unlisted-name", { host: name, port: 80, method: "GET" }, `GET http://${name}/`, () =>
      get(proxy.host, proxy.port, `http://${name}/`, name)
    ),
    ...(outer === undefined
      ? []
      : [
          refused(
            "address-through-proxy",
            { host: outer.address, port: outer.port, method: "GET" },
            `GET http://${at(outer.address, outer.port)}/`,
            (id) =>
              get(
                proxy.host,
                proxy.port,
                `http://${at(outer.address, outer.port)}/${mark(id)}`,
                at(outer.address, outer.port)
              )
          )
        ]),
    ...(loopback === undefined
      ? []
      : [
          refused(
            "loopback-through-proxy",
            { host: loopback.address, port: loopback.port },
            `CONNECT ${at(loopback.address, loopback.port)}`,
            (id) => {
              const authority = at(loopback.address, loopback.port)
              return `tcp ${proxy.host} ${proxy.port} ${PROXIED_MILLIS} CONNECT ${authority} HTTP/1.1\\r\\nHost: ${authority}\\r\\nConnection: close\\r\\n\\r\\n${mark(id)}`
            }
          )
        ]),
    refused("metadata-through-proxy", { host: METADATA, port: 80, method: "GET" }, `GET http://${METADATA}/`, () =>
      get(proxy.host, proxy.port, `http://${METADATA}/`, METADATA)
    )
  ]
}

const NOT_REACHED = "nothing arrives"

/** The ways to each decoy: its own address, and for the host's loopback all that may lead there. */
const toDecoys = (decoys: ReadonlyArray<DecoyRequest & Opened>): ReadonlyArray<Draft> =>
  decoys.flatMap((decoy, index) => {
    const ways = decoy.address === "127.0.0.1" ? [decoy.address, ...ALIASES[decoy.protocol]] : [decoy.address]
    return ways.map((host): Draft => {
      const name = host === decoy.address ? decoy.name : "host-alias"
      return {
        name: `${name}-${decoy.protocol}${decoy.address.includes(":") ? "6" : ""}`,
        target: `${decoy.protocol} ${at(host, decoy.port)}`,
        expectation: NOT_REACHED,
        line: decoy.port === 0 ? null : (id) => direct(decoy.protocol, host, decoy.port, mark(id)),
        judge: { _tag: "Decoy", decoy: index }
      }
    })
  })

const toNeighbours = (
  neighbours: ReadonlyArray<{ readonly address: string; readonly port: number }>,
  names: Names
): ReadonlyArray<Draft> =>
  neighbours.flatMap((neighbour, index) => {
    const ways = neighbour.address === "127.0.0.1" ? [neighbour.address, "100.96.0.1", "@gateway"] : [neighbour.address]
    return ways.map((host): Draft => ({
      name: "other-bundle",
      target: `tcp ${at(host, neighbour.port)}`,
      expectation: NOT_REACHED,
      line:
        neighbour.port === 0
          ? null
          : (id) => {
              const name = hostName(names, `p${id}`)
              return get(host, neighbour.port, `http://${name}/`, name).replace(
                ` ${PROXIED_MILLIS} `,
                ` ${DIRECT_MILLIS} `
              )
            },
      judge: { _tag: "Neighbour", neighbour: index }
    }))
  })

/** The label of the name that a second bundle was asked for, if it is one of this proof's. */
export const neighbourMark = (names: Names, host: string): string | undefined => {
  const suffix = `.${names.token}.bottle-proof.invalid`
  return host.endsWith(suffix) ? /^p(\d{1,3})$/.exec(host.slice(0, -suffix.length))?.[1] : undefined
}

const outside = (situation: Situation, requests: Requests, names: Names): ReadonlyArray<Draft> => {
  const { answer, query } = question(situation, hostName(names, "guest"))
  const isNetworked = situation.container?.topology === "address"
  const payloadOf = (protocol: "tcp" | "udp") => octal(protocol === "udp" ? query : overTcp(query))
  const witnesses = requests.outsides.flatMap(({ kind, protocol }, index) =>
    kind === "resolver" && protocol === "udp" ? [index] : []
  )
  return [
    ...(["udp", "tcp"] as const).map((protocol): Draft => ({
      name: `guest-resolver-${protocol}`,
      target: `${protocol} ${at("@resolver", 53)}`,
      expectation: "no answer",
      line: () => direct(protocol, "@resolver", 53, payloadOf(protocol)),
      judge: { _tag: "Resolver", witnesses, answer }
    })),
    ...requests.outsides.map((outside, index): Draft => {
      const line = (payload: string) => direct(outside.protocol, outside.address, outside.port, payload)
      const target = `${outside.protocol} ${at(outside.address, outside.port)}`
      switch (outside.kind) {
        case "resolver":
          return {
            name: `resolver-${outside.protocol}`,
            target,
            expectation: "no answer",
            line: () => line(payloadOf(outside.protocol)),
            judge: { _tag: "Resolver", witnesses: [index], answer }
          }
        case "internet":
        case "metadata":
          return {
            name: outside.kind,
            target,
            expectation: "no answer",
            line: (id) => line(`${mark(id)} HTTP/1.0\\r\\n\\r\\n`),
            judge: { _tag: "Outside", witnesses: [index], isNetworked }
          }
        case "bundle":
        case "bundle-port":
          return {
            name: outside.kind === "bundle" ? "bundle-direct" : "bundle-port",
            target,
            expectation: "no connection",
            line: (id) => line(`${mark(id)} HTTP/1.0\\r\\n\\r\\n`),
            judge:
              outside.kind === "bundle"
                ? { _tag: "Outside", witnesses: [index], isNetworked }
                : { _tag: "BundlePort", witness: index }
          }
      }
    })
  ]
}

const device = (situation: Situation): ReadonlyArray<Draft> =>
  situation.container?.topology === "address"
    ? []
    : [
        {
          name: "network-device",
          target: "the guest's network devices",
          expectation: "none but its loopback",
          line: () => "device - 0 0 -",
          judge: { _tag: "Device" }
        }
      ]

/** Every probe of a proof, in the order in which they are shown; the first is what must work. */
export const make = (
  situation: Situation,
  requests: Requests,
  opened: { readonly decoys: ReadonlyArray<Opened>; readonly neighbours: ReadonlyArray<Opened> },
  names: Names
): ReadonlyArray<Target> => {
  const decoys = requests.decoys.map((request, index) => ({ ...request, port: opened.decoys[index]?.port ?? 0 }))
  const neighbours = requests.neighbours.map((address, index) => ({
    address,
    port: opened.neighbours[index]?.port ?? 0
  }))
  const drafts = [
    positive(situation, names),
    ...proxied(situation, decoys, names),
    ...toDecoys(decoys),
    ...toNeighbours(neighbours, names),
    ...outside(situation, requests, names),
    ...device(situation)
  ]
  return drafts.map(({ line, ...draft }, index) => {
    const id = String(index + 1)
    return { ...draft, id, line: line === null ? null : line(id) }
  })
}

/** What the guest is told on its standard input. */
export const text = (targets: ReadonlyArray<Target>): string =>
  [...targets.flatMap(({ id, line }) => (line === null ? [] : [`${id} ${line}`])), "end", ""].join("\n")
