/**
 * `bottle policy check` and `bottle policy explain`: what a policy document says, without a bottle. Nothing is resolved.
 *
 * @since 0.1.0
 */
import * as Explanation from "@bottle/egress/Explanation"
import * as Nearest from "@bottle/egress/Nearest"
import * as Policy from "@bottle/egress/Policy"
import { methods } from "@bottle/egress/PolicyDocument"
import * as PolicyReview from "@bottle/egress/PolicyReview"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import type { PolicyCheckFlags, PolicyExplainFlags } from "../Commands.js"
import { ExitStatus } from "../ExitStatus.js"
import { Invocation } from "../Invocation.js"
import * as PolicyAnswer from "../PolicyAnswer.js"
import * as PolicyFile from "../PolicyFile.js"
import * as PolicyText from "../PolicyText.js"
import * as Printable from "../Printable.js"
import type { Format } from "../RunRequest.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import { UsageError } from "../UsageError.js"

/**
 * A document that is to be checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface CheckRequest {
  readonly file: string
  readonly format: Format
}

/**
 * A request that a document is asked about; without a method it is for a tunnel.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExplainRequest extends CheckRequest {
  readonly host: string
  readonly port: number
  readonly method: string | undefined
  readonly path: string | undefined
}

const formatOf = (format: Option.Option<string>): Format => (Option.getOrUndefined(format) === "json" ? "json" : "text")

/**
 * What a `policy check` line asks for.
 *
 * @since 0.1.0
 * @category constructors
 */
export const checkRequest = ({ file, format }: PolicyCheckFlags): CheckRequest => ({ file, format: formatOf(format) })

const usage = (problem: string, advice: string): Either.Either<never, UsageError> =>
  Either.left(new UsageError({ problem, advice }))

/** Host and port as they were written. A host that is none is the policy's to refuse, and to say why. */
const splitTarget = (
  target: string
): Either.Either<{ readonly host: string; readonly port: number | undefined }, UsageError> => {
  if (target.includes("://")) {
    const advice = "HOST or HOST:PORT; --path /v1/models for a request of plain HTTP"
    return usage(`"${Printable.line(target, 80)}" is more than a host and a port`, advice)
  }
  const bracket = target.lastIndexOf("]")
  const colon = target.indexOf(":", bracket + 1)
  // More than one: an IPv6 address without its brackets.
  if (colon < 0 || target.indexOf(":", colon + 1) >= 0) return Either.right({ host: target, port: undefined })
  const text = target.slice(colon + 1)
  const port = Number(text)
  return /^[1-9][0-9]{0,4}$/.test(text) && port <= 65535
    ? Either.right({ host: target.slice(0, colon), port })
    : usage(`"${Printable.line(target, 80)}" has a port that is not a number from 1 to 65535`, "HOST or HOST:PORT")
}

const checkMethod = (method: string): Either.Either<string, UsageError> => {
  if (methods.some((known) => known === method)) return Either.right(method)
  const meant = Nearest.nearest(method.toUpperCase(), methods) ?? "GET"
  return usage(`--method does not take "${Printable.line(method, 64)}"`, `--method ${meant}`)
}

/**
 * What a `policy explain` line asks for. Without a port it is 443, or 80 for a request of plain HTTP.
 *
 * @since 0.1.0
 * @category constructors
 */
export const explainRequest = (flags: PolicyExplainFlags): Either.Either<ExplainRequest, UsageError> =>
  Either.gen(function* () {
    const { host, port } = yield* splitTarget(flags.target)
    const path = Option.getOrUndefined(flags.path)
    if (path !== undefined && !path.startsWith("/")) {
      return yield* usage(`--path "${Printable.line(path, 80)}" does not begin with /`, "--path /v1/models")
    }
    const given = Option.getOrUndefined(flags.method)
    const isHttp = given !== undefined || path !== undefined
    const method = isHttp ? yield* checkMethod(given ?? "GET") : undefined
    return { ...checkRequest(flags), host, port: port ?? (isHttp ? 80 : 443), method, path }
  })

type Outside = Invocation | Stdio.Stdio | FileSystem

const print = (
  { format }: CheckRequest,
  content: Effect.Effect<
    { readonly text: ReadonlyArray<string>; readonly json: () => string },
    PolicyFile.PolicyFileError,
    Outside
  >
): Effect.Effect<number, never, Outside> =>
  Effect.gen(function* () {
    const { json, text } = yield* content
    yield* Stdio.outputText(format === "json" ? json() : text.join("\n"))
    return ExitStatus.success
  }).pipe(Effect.catchAllCause((cause) => Told.failWith(cause, { format, jsonOn: "stdout" })))

const read = <A>(
  file: string,
  make: (document: Policy.PolicyDocument) => Either.Either<A, Policy.PolicyError>
): Effect.Effect<A, PolicyFile.PolicyFileError, Outside> =>
  Effect.flatMap(Invocation, ({ cwd }) => PolicyFile.readAs(Path.resolve(cwd, file), file, make))

/**
 * Prints what a document allows in effect, and what in it looks like a mistake. A document that is none is a failure;
 * one with warnings is not.
 *
 * @since 0.1.0
 * @category constructors
 */
export const check = (request: CheckRequest): Effect.Effect<number, never, Outside> =>
  print(
    request,
    Effect.map(read(request.file, PolicyReview.review), ({ policy, warnings }) => ({
      text: [
        ...PolicyText.sections(policy).flatMap(([title, lines]) => PolicyText.section(title, lines)),
        ...PolicyText.section(
          "warnings",
          warnings.map(({ message, place }) => Printable.line(`${place}: ${message}`))
        )
      ],
      json: () =>
        PolicyAnswer.checkToJson({ version: 1, file: request.file, policy: Policy.toDocument(policy), warnings })
    }))
  )

/**
 * Prints what a document says about a request, and why: by the same decision as the proxy's. The exit code says only
 * that it could be told.
 *
 * @since 0.1.0
 * @category constructors
 */
export const explain = (request: ExplainRequest): Effect.Effect<number, never, Outside> =>
  print(
    request,
    Effect.map(read(request.file, Policy.fromDocument), (policy) => {
      const { host, method, path, port } = request
      const explanation = Explanation.explain(policy, { host, port, method, path })
      return {
        text: Explanation.lines(explanation),
        json: () => PolicyAnswer.explainToJson({ version: 1, file: request.file, explanation })
      }
    })
  )
