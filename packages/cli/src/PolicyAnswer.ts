/**
 * What `policy check` and `policy explain` answer programs.
 *
 * @since 0.1.0
 */
import { DenyReason } from "@bottle/egress/Decision"
import { PolicyDocument } from "@bottle/egress/PolicyDocument"
import { lazy } from "@bottle/process/Lazy"
import * as Schema from "effect/Schema"

const text = (description: string) => Schema.String.annotations({ description })

const texts = (description: string) => Schema.Array(Schema.String).annotations({ description })

const version = Schema.Literal(1).annotations({ description: "The version of this format" })

const file = text("The file as it was named")

/**
 * What a policy document allows in effect, and what in it looks like a mistake.
 *
 * @since 0.1.0
 * @category models
 */
export const CheckDocument = Schema.Struct({
  version,
  file,
  policy: PolicyDocument.annotations({ description: "The policy in canonical spelling" }),
  warnings: Schema.Array(
    Schema.Struct({ place: text("Where it stands in the document"), message: text("What looks like a mistake") })
  ).annotations({ description: "What looks like a mistake" })
})

const Addresses = Schema.Union(
  Schema.TaggedStruct("Given", {
    address: text("The one address that is dialled"),
    by: Schema.Literal("request", "policy").annotations({ description: "Who says so" })
  }),
  Schema.TaggedStruct("Resolved", {
    alsoIn: texts("Ranges that are not public and that an address of it may be in"),
    neverIn: texts("Ranges that no address of it may be in")
  })
)

const Remedy = Schema.Union(
  Schema.TaggedStruct("Allow", {
    entry: text("The entry of allow that would allow it"),
    resolve: Schema.NullOr(Schema.String).annotations({
      description: "The entry of resolve that it needs too; null where it needs none"
    })
  }),
  Schema.TaggedStruct("Resolve", { resolve: text("The entry of resolve that it needs") }),
  Schema.TaggedStruct("DropDenial", { rule: text("The rule to take away: denying wins") }),
  Schema.TaggedStruct("Credential", { what: text("What is wrong with how the credential is asked for") }),
  Schema.TaggedStruct("Nothing", {})
)

const Considered = Schema.Struct({
  list: Schema.Literal("allow", "deny").annotations({ description: "Which list it stands in" }),
  rule: text("The rule"),
  applies: Schema.Boolean.annotations({ description: "Whether it is about this request" }),
  why: text("Why it is, or is not")
})

/**
 * Which rule of a policy document decides about a request, and why.
 *
 * @since 0.1.0
 * @category models
 */
export const ExplainDocument = Schema.Struct({
  version,
  file,
  explanation: Schema.Struct({
    host: text("The host that was asked about, in its canonical form"),
    port: Schema.Int.annotations({ description: "The port that was asked about" }),
    authority: text("Host and port as a proxy is asked for them"),
    method: Schema.NullOr(Schema.String).annotations({ description: "The method; null for a tunnel" }),
    path: Schema.NullOr(Schema.String).annotations({ description: "The path; null for a tunnel" }),
    verdict: Schema.Literal("allow", "deny").annotations({ description: "What the proxy would decide" }),
    reason: Schema.Union(Schema.Literal("allowed"), DenyReason).annotations({ description: "Why" }),
    rule: Schema.NullOr(Schema.String).annotations({
      description: "The rule that decides; of a refusal that none decides, the one that came nearest"
    }),
    detail: text("The reason as a sentence"),
    addresses: Schema.NullOr(Addresses).annotations({
      description: "Which addresses it can be dialled at; null for what is refused"
    }),
    considered: Schema.Array(Considered).annotations({
      description: "Every rule about the host, those that deny first"
    }),
    remedy: Schema.NullOr(Remedy).annotations({
      description: "What would allow it; null for what is allowed"
    })
  }).annotations({ description: "What the policy says about the request" })
})

const encodeCheck = lazy(() => Schema.encodeSync(CheckDocument))
const encodeExplanation = lazy(() => Schema.encodeSync(ExplainDocument))

const laidOut = (document: unknown): string => JSON.stringify(document, null, 2)

/**
 * A `CheckDocument` as it is printed.
 *
 * @since 0.1.0
 * @category conversions
 */
export const checkToJson = (document: typeof CheckDocument.Type): string => laidOut(encodeCheck(document))

/**
 * An `ExplainDocument` as it is printed.
 *
 * @since 0.1.0
 * @category conversions
 */
export const explainToJson = (document: typeof ExplainDocument.Type): string => laidOut(encodeExplanation(document))
