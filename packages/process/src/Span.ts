/**
 * Spans of Effect's tracer around our own work. What there is of a process is in a span by itself: `process`, with
 * `process.program`, `process.subcommand` and `process.exit_code`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

/**
 * Runs an effect whose children have the span as their parent by its ids only. An error that fails where a span itself is
 * the parent is wrapped by Effect, and whoever compares errors would meet the wrapping.
 *
 * @since 0.1.0
 * @category constructors
 */
export const within =
  ({ context, sampled, spanId, traceId }: Tracer.Span) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(effect, Tracer.ParentSpan, Tracer.externalSpan({ context, sampled, spanId, traceId }))

/**
 * Runs an effect in a span of its own, as `within` does. Attributes are for whoever reads the trace: nothing of them may be
 * a secret.
 *
 * @since 0.1.0
 * @category constructors
 */
export const around =
  (name: string, attributes: Readonly<Record<string, string>> = {}) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.useSpan(name, { attributes, captureStackTrace: false }, (span) => within(span)(effect))
