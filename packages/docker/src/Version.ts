/**
 * `docker version`: what client and daemon are there.
 *
 * @since 0.1.0
 */
import { lazy } from "@bottle/process/Lazy"
import * as Schema from "effect/Schema"

/**
 * The words after the program. The template gives one line of JSON; the exit code is 1 when no daemon answers, and the
 * client's part is printed all the same (docker 20.10 to 28.2).
 *
 * @since 0.1.0
 * @category argv
 */
export const argv: ReadonlyArray<string> = ["version", "--format", "{{json .}}"]

/**
 * The versions of both sides. `server` is null when no daemon answers.
 *
 * @since 0.1.0
 * @category models
 */
export class DockerVersion extends Schema.Class<DockerVersion>("@bottle/docker/DockerVersion")({
  client: Schema.String,
  server: Schema.NullOr(Schema.String)
}) {}

const Side = Schema.Struct({ Version: Schema.String })

// podman leaves Server out where docker writes null.
const Document = Schema.parseJson(Schema.Struct({ Client: Side, Server: Schema.optional(Schema.NullOr(Side)) }))

/**
 * Reads what `docker version` prints on stdout.
 *
 * @since 0.1.0
 * @category parsing
 */
export const decode = lazy(() =>
  Schema.decode(
    Schema.transform(Document, Schema.typeSchema(DockerVersion), {
      strict: true,
      decode: ({ Client, Server }) => new DockerVersion({ client: Client.Version, server: Server?.Version ?? null }),
      encode: ({ client, server }) => ({
        Client: { Version: client },
        Server: server === null ? null : { Version: server }
      })
    })
  )
)
