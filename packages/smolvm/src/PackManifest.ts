/**
 * What a pack says of itself, as `pack inspect --json` prints it: its manifest, and the layer that holds it in the
 * registry.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { absentOr, likely } from "./internal/fields.js"

const Known = Schema.Struct({
  layerSizeBytes: absentOr(Schema.Number).pipe(Schema.fromKey("layer_size")),
  layerDigest: absentOr(Schema.String).pipe(Schema.fromKey("layer_digest")),
  mode: likely(Schema.String),
  image: likely(Schema.String),
  digest: likely(Schema.String),
  platform: likely(Schema.String),
  entrypoint: likely(Schema.Array(Schema.String)),
  command: likely(Schema.Array(Schema.String)).pipe(Schema.fromKey("cmd")),
  env: likely(Schema.Array(Schema.String)),
  workdir: likely(Schema.String),
  cpus: likely(Schema.Number),
  memMib: likely(Schema.Number).pipe(Schema.fromKey("mem")),
  network: likely(Schema.Boolean),
  raw: Schema.Record({ key: Schema.String, value: Schema.Unknown })
})

/**
 * A pack, as smolvm describes it.
 *
 * @since 0.1.0
 * @category models
 */
export interface PackManifest {
  /** The size of the layer in the registry, in bytes. */
  readonly layerSizeBytes: number | null
  /** The digest of that layer. */
  readonly layerDigest: string | null
  /** `container` for a pack of an image, `vm` for one of a bare machine; newer releases may have other words. */
  readonly mode: string | null
  /** The image that it was made of. */
  readonly image: string | null
  /** The digest of that image. */
  readonly digest: string | null
  /** `linux/arm64`. */
  readonly platform: string | null
  /** The program that `command` is given to. */
  readonly entrypoint: ReadonlyArray<string> | null
  /** What the machine runs (`cmd`). */
  readonly command: ReadonlyArray<string> | null
  /** Its variables, `NAME=VALUE`. */
  readonly env: ReadonlyArray<string> | null
  /** The directory in which its commands start. */
  readonly workdir: string | null
  /** Virtual processors. */
  readonly cpus: number | null
  /** Memory in MiB. */
  readonly memMib: number | null
  /** Whether it boots with a network unasked; `null` where the manifest does not say. */
  readonly network: boolean | null
  /** Everything that was printed, as it was: manifests differ from release to release. */
  readonly raw: Readonly<Record<string, unknown>>
}

/**
 * A pack, as smolvm describes it. Of the manifest's fields smolvm's grammar gives none: what is missing, or of another
 * type than the likely one, is `null`, and `raw` has everything.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PackManifest: Schema.Schema<PackManifest, Readonly<Record<string, unknown>>> = Schema.transform(
  Schema.Record({ key: Schema.String, value: Schema.Unknown }),
  Known,
  {
    strict: false,
    decode: (raw) => ({ ...raw, raw }),
    encode: ({ raw }) => raw
  }
)

/**
 * What `pack inspect --json` prints.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Output = Schema.parseJson(PackManifest)
