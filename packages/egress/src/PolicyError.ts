/**
 * What can be wrong with a policy.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * An entry of a policy is refused. `entry` is its printable form, cut at 255 characters; `place` is where it stands in a
 * document, such as `allow[3].paths[0]`, and null for one that was given by itself.
 *
 * @since 0.1.0
 * @category errors
 */
export class PolicyError extends Schema.TaggedError<PolicyError>("@bottle/egress/PolicyError")("PolicyError", {
  part: Schema.Literal("allow", "deny", "resolve", "upstream", "credentials"),
  place: Schema.NullOr(Schema.String),
  entry: Schema.String,
  reason: Schema.Literal(
    "host",
    "url",
    "wildcard",
    "address-kind",
    "range",
    "ports-twice",
    "empty",
    "method",
    "path",
    "resolve",
    "resolve-twice",
    "upstream",
    "credential-name",
    "credential-source",
    "credential-header",
    "credential-prefix",
    "credential-upstream",
    "credential-variable"
  ),
  detail: Schema.String
}) {
  override get message(): string {
    const verb = {
      allow: "be allowed",
      deny: "be denied",
      resolve: "be given an address",
      upstream: "be the upstream",
      credentials: "be part of a credential"
    }
    return `${this.place === null ? "" : `${this.place}: `}"${this.entry}" cannot ${verb[this.part]}: ${this.detail}`
  }

  /** What to do next. */
  get suggestion(): string {
    switch (this.reason) {
      case "url":
        return "Write the host alone, without scheme, path or user: example.com or example.com:443"
      case "wildcard":
        return "A star stands only in front, for every name below: *.example.com"
      case "address-kind":
        return "Write the address of one machine"
      case "range":
        return "Write a range such as 10.0.0.0/8 or fd00::/8, or one address"
      case "ports-twice":
        return "Write the ports once: behind the host, or as ports"
      case "empty":
        return "Leave out a list that says nothing"
      case "method":
        return "Write methods of HTTP in capitals, such as GET and POST"
      case "path":
        return "Write one path, /v1/models, or all below one, /v1/*, without a query"
      case "resolve":
      case "resolve-twice":
        return "Write one HOST=IP for each name, such as api.example.com=10.0.0.5"
      case "upstream":
        return "Write the proxy as http://HOST:PORT, such as http://proxy.example.com:3128"
      case "credential-name":
        return "Name it with at most 63 of a-z, 0-9 and -, such as anthropic"
      case "credential-source":
        return 'Write {"env": "NAME"}, {"file": "/absolute/path"} or {"command": ["program", "argument"]}'
      case "credential-header":
        return "Write the header that the upstream reads its key from, such as authorization or x-api-key"
      case "credential-prefix":
        return 'Write what stands before the value in visible ASCII, such as "Bearer "'
      case "credential-upstream":
        return "Write https://HOST or https://HOST/BASE, such as https://api.example.com/v1"
      case "credential-variable":
        return "Write the name of a variable that nothing else sets, such as OPENAI_BASE_URL"
      case "host":
        return "Write HOST, *.HOST, HOST:PORT, *.HOST:PORT, 192.0.2.1:443 or [2001:db8::1]:443"
    }
  }
}

/**
 * A document is no policy. `place` is where in it, such as `allow[3].ports[0]`, and empty for the whole; all text is
 * visible ASCII of a bounded length.
 *
 * @since 0.1.0
 * @category errors
 */
export class DocumentInvalid extends Schema.TaggedError<DocumentInvalid>("@bottle/egress/DocumentInvalid")(
  "DocumentInvalid",
  {
    place: Schema.String,
    reason: Schema.Literal("too-long", "not-json", "key-twice", "key-unknown", "key-missing", "type", "value"),
    detail: Schema.String,
    advice: Schema.String
  }
) {
  override get message(): string {
    return `${this.place === "" ? "the policy" : this.place}: ${this.detail}`
  }

  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}
