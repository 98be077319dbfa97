/**
 * The forward proxy: the guest's only way out.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Cidr } from "./Address.js"
import { parseNetwork } from "./Address.js"
import type { Credential } from "./Credential.js"
import type { Own } from "./Decision.js"
import { EgressEvent } from "./EgressEvent.js"
import * as Host from "./Host.js"
import type { Interfaces } from "./Interfaces.js"
import { system as systemInterfaces } from "./Interfaces.js"
import * as EventLog from "./internal/eventLog.js"
import type { Core } from "./internal/exchange.js"
import * as Limit from "./internal/limits.js"
import * as Listener from "./internal/listener.js"
import * as Secure from "./internal/secure.js"
import * as Server from "./internal/server.js"
import type { Policy } from "./Policy.js"
import type { Listen, ProxyClosed, ProxyError } from "./ProxyError.js"
import { CredentialInvalid, maxCredentialCharacters } from "./ProxyError.js"
import type { Resolver } from "./Resolver.js"
import { system } from "./Resolver.js"

/**
 * What the proxy takes at most; all are positive whole numbers. Beyond a limit a connection is refused or cut, with an
 * event.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** Connections of clients at one time. */
  readonly connections: number
  /** Bytes of a request's or a response's header. */
  readonly headerBytes: number
  /** Headers in a request or a response. */
  readonly headerLines: number
  /** Bytes that the headers of all requests take that are running or waiting, over all connections. */
  readonly heldHeaderBytes: number
  /** From the first moment of a connection, or the first byte of a request, to the end of the header. */
  readonly headerMillis: number
  /** Without a byte in either direction, for a tunnel or an exchange. */
  readonly idleMillis: number
  /** The same for a tunnel that one side has ended. */
  readonly halfClosedIdleMillis: number
  /** Between two requests on a kept-alive connection. */
  readonly keepAliveMillis: number
  /** For resolving a name and connecting, all its addresses together. */
  readonly connectMillis: number
  /** Addresses of one name that are tried. */
  readonly connectAttempts: number
  /** Look-ups that run at one time, those that nobody waits for any more among them; further ones wait. */
  readonly lookups: number
  /** Requests that wait behind another one on their connection. */
  readonly pipelined: number
  /** For how long what was read of this machine's interfaces is good. */
  readonly interfacesMillis: number
  /** Events that are kept for readers; a reader that falls further behind loses the oldest. */
  readonly events: number
}

/**
 * How a proxy is set up. Without a resolver or interfaces the operating system is asked; the interfaces are read when
 * the proxy starts, and again while names are resolved.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServeOptions {
  readonly policy: Policy
  readonly listen: Listen
  readonly resolver?: Resolver | undefined
  readonly interfaces?: Interfaces | undefined
  /** Networks that are the bundle's own: no address in them is dialled, whatever the policy lists. */
  readonly ownRanges?: ReadonlyArray<Cidr> | undefined
  /** What a guest is answered that asks the proxy for `http://proof.bottle.internal/`; unset, that is a host like others. */
  readonly proof?: string | undefined
  /**
   * The values of the policy's credentials by name; others are not looked at. Without its value a credential refuses
   * whoever asks for it; so does one of another policy that takes its value from another source than this policy.
   */
  readonly credentials?: ReadonlyMap<string, Redacted.Redacted> | undefined
  /** Certificates (PEM) by which upstreams of credentials are trusted, in place of those that node trusts. */
  readonly ca?: ReadonlyArray<string> | undefined
  readonly limits?: Partial<Limits> | undefined
}

/**
 * A proxy that answers.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunningProxy {
  /** Where it listens: the port is the one that was taken. */
  readonly address: Listen
  /**
   * The decision log. Each run of it begins with the oldest event that is kept and ends when the proxy has stopped. It
   * never holds the proxy up: a reader that falls behind loses the oldest events, which it sees in `sequence`.
   */
  readonly events: Stream.Stream<EgressEvent>
  /**
   * Sets another policy. It decides every request and every tunnel from now on, those on standing connections and those
   * whose name is being resolved too; what is connected already goes on.
   */
  readonly reload: (policy: Policy) => Effect.Effect<void>
  /** How many events readers have lost so far, all readers together. */
  readonly dropped: Effect.Effect<number>
  /** Fails when the proxy has stopped; never succeeds. */
  readonly closed: Effect.Effect<never, ProxyClosed>
}

/**
 * The name under which a proxy with a `proof` answers for itself: whoever gets that answer has reached this proxy.
 *
 * @since 0.1.0
 * @category models
 */
export const PROOF_HOST = "proof.bottle.internal"

/**
 * The limits of a proxy that is not told otherwise.
 *
 * @since 0.1.0
 * @category models
 */
export const defaultLimits: Limits = {
  connections: 512,
  headerBytes: 64 * 1024,
  headerLines: 256,
  heldHeaderBytes: 32 * 1024 * 1024,
  headerMillis: 10_000,
  idleMillis: 600_000,
  halfClosedIdleMillis: 120_000,
  keepAliveMillis: 30_000,
  connectMillis: 10_000,
  connectAttempts: 4,
  lookups: 16,
  pipelined: 8,
  interfacesMillis: 1000,
  events: 4096
}

const parsed = <A, E>(texts: ReadonlyArray<string>, parse: (text: string) => Either.Either<A, E>): ReadonlyArray<A> =>
  texts.flatMap((text) => Either.match(parse(text), { onLeft: () => [], onRight: (found) => [found] }))

const ownOf = (texts: ReadonlyArray<string>, ranges: Own["ranges"]): Own => ({
  addresses: new Set(parsed(texts, (text) => Host.parse(text.replace(/\/[0-9]+$/, ""))).map(Host.text)),
  networks: parsed(texts, parseNetwork),
  ranges
})

/** Reads the interfaces now, and again when they are asked for; what cannot be read again stays as it was. */
const makeOwn = (
  interfaces: Interfaces,
  ranges: ReadonlyArray<Cidr>,
  { interfacesMillis }: Limits
): Effect.Effect<Core["own"], ProxyError> =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime<never>()
    let own = ownOf(yield* interfaces.addresses, ranges)
    let readMillis = performance.now()
    return () => {
      if (performance.now() - readMillis < interfacesMillis) return own
      const read = Runtime.runSyncExit(runtime)(interfaces.addresses)
      if (Exit.isSuccess(read)) own = ownOf(read.value, ranges)
      readMillis = performance.now()
      return own
    }
  })

/**
 * Runs the resolver for the callbacks. A resolver that dies has found nothing.
 *
 * A client can ask and go away faster than names are found, and a look-up of the system goes on without it: only so many
 * run, and those that wait go with their clients.
 */
const resolveWith = (runtime: Runtime.Runtime<never>, resolver: Resolver, { lookups }: Limits): Core["resolve"] => {
  const running = Effect.unsafeMakeSemaphore(lookups)
  return (name, done) => {
    const cancel = Runtime.runCallback(runtime)(running.withPermits(1)(Effect.suspend(() => resolver.resolve(name))), {
      onExit: Exit.match({
        onSuccess: (addresses) => done({ _tag: "Addresses", addresses }),
        onFailure: (cause) =>
          done({
            _tag: "Failed",
            detail:
              cause._tag === "Fail" && cause.error.reason === "not-found"
                ? "its name has no address"
                : "its name could not be resolved just now"
          })
      })
    })
    return () => cancel()
  }
}

/** Visible ASCII, with spaces inside only: readers of a header take them off its ends. */
const isHeaderValue = (value: string): boolean => /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)

const whyNoValue = (value: string): CredentialInvalid["reason"] | undefined =>
  value === ""
    ? "empty"
    : value.length > maxCredentialCharacters
      ? "too-long"
      : isHeaderValue(value)
        ? undefined
        : "not-visible"

/** The values by their credentials: what was read from one source is nothing for another of that name. */
const makeValues = ({
  credentials: values = new Map(),
  policy
}: ServeOptions): Effect.Effect<Core["valueOf"], CredentialInvalid> => {
  for (const credential of policy.credentials.keys()) {
    const value = values.get(credential)
    const reason = value === undefined ? undefined : whyNoValue(Redacted.value(value))
    if (reason !== undefined) return Effect.fail(new CredentialInvalid({ credential, reason }))
  }
  const sourceOf = (credential: Credential | undefined): string => JSON.stringify(credential?.source ?? null)
  const known = new Map([...policy.credentials].map(([name, credential]) => [name, sourceOf(credential)]))
  return Effect.succeed((credential) =>
    known.get(credential.name) === sourceOf(credential) ? values.get(credential.name) : undefined
  )
}

const toEvent = ({ timeMillis, ...entry }: EventLog.Numbered): EgressEvent =>
  new EgressEvent({ ...entry, time: DateTime.unsafeMake(timeMillis) }, { disableValidation: true })

const eventsOf = (log: EventLog.EventLog): Stream.Stream<EgressEvent> =>
  Stream.suspend(() => {
    const reader = log.reader()
    const pull: Effect.Effect<Chunk.Chunk<EgressEvent>, Option.Option<never>> = Effect.suspend(() => {
      const batch = reader.take()
      if (batch.length > 0) return Effect.succeed(Chunk.unsafeFromArray(batch.map(toEvent)))
      if (log.isEnded()) return Effect.fail(Option.none())
      return Effect.zipRight(
        Effect.async<void>((resume) => {
          const forget = log.onChange(() => resume(Effect.void))
          return Effect.sync(forget)
        }),
        pull
      )
    })
    return Stream.repeatEffectChunkOption(pull)
  })

/**
 * Starts a proxy that lives as long as the scope.
 *
 * It takes `CONNECT host:port` and `http://` requests in absolute form, decides each by the policy, resolves what is
 * allowed once, and dials exactly the address it judged, or asks the policy's upstream proxy for it. A tunnel whose TLS
 * hello names another host is cut before a byte of its client has gone on. What is asked of the proxy itself at
 * `Credential.path` goes to the upstream of that credential, with its header. Closing the scope destroys every connection,
 * ends the listener and removes its socket file, within two seconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const serve = (options: ServeOptions): Effect.Effect<RunningProxy, ProxyError, Scope.Scope> =>
  Effect.gen(function* () {
    const limits = yield* Limit.check(defaultLimits, options.limits)
    const valueOf = yield* makeValues(options)
    const own = yield* makeOwn(options.interfaces ?? systemInterfaces, options.ownRanges ?? [], limits)
    const runtime = yield* Effect.runtime<never>()
    const log = EventLog.make(limits.events)
    let policy = options.policy
    let requests = 0
    let port: number | undefined
    const core: Core = {
      policy: () => policy,
      limits,
      log,
      resolve: resolveWith(runtime, options.resolver ?? system, limits),
      own,
      port: () => port,
      valueOf,
      secure: Secure.make(options.ca),
      exchanges: new Set(),
      upstreams: new Set(),
      nextRequest: () => (requests += 1)
    }
    const proof = options.proof === undefined ? undefined : { host: PROOF_HOST, text: options.proof }
    const { destroyConnections, server } = Server.make(core, proof)
    const { address, closed } = yield* Listener.listening(server, options.listen, () => {
      destroyConnections()
      log.end()
    })
    if (address._tag === "Tcp") port = address.port

    return {
      address,
      events: eventsOf(log),
      dropped: Effect.sync(() => log.dropped()),
      reload: (next) =>
        Effect.sync(() => {
          policy = next
        }),
      closed
    }
  })
