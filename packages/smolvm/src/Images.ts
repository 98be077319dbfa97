/**
 * The images in a machine's storage, as `machine images --json` lists them.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { absentOr, likely } from "./internal/fields.js"

/**
 * What the storage of a machine holds, in bytes and in numbers of layers and images. Missing fields are `null`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Storage = Schema.Struct({
  /** The size of the machine's storage, in bytes. */
  totalBytes: absentOr(Schema.Number).pipe(Schema.fromKey("total_bytes")),
  /** How much of it is taken, in bytes. */
  usedBytes: absentOr(Schema.Number).pipe(Schema.fromKey("used_bytes")),
  /** The layers of all images. */
  layerCount: absentOr(Schema.Number).pipe(Schema.fromKey("layer_count")),
  /** The images. */
  imageCount: absentOr(Schema.Number).pipe(Schema.fromKey("image_count"))
})

/**
 * An image in a machine's storage. Of its fields smolvm's grammar gives the names only: what is missing, or of another
 * type than the likely one, is `null`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Image = Schema.Struct({
  /** What it was pulled by: `alpine:3.20`. */
  reference: likely(Schema.String),
  /** The digest of its manifest. */
  digest: likely(Schema.String),
  /** Its size, in bytes. */
  sizeBytes: likely(Schema.Number).pipe(Schema.fromKey("size")),
  /** When it was made, as the image says it. */
  created: likely(Schema.Union(Schema.String, Schema.Number)),
  /** The processor that it is for: `arm64`. */
  architecture: likely(Schema.String),
  /** The system that it is for: `linux`. */
  os: likely(Schema.String),
  /** How many layers it has. */
  layerCount: likely(Schema.Number).pipe(Schema.fromKey("layer_count")),
  /** Its layers, as smolvm writes them. */
  layers: likely(Schema.Array(Schema.Unknown)),
  /** The program that `command` is given to. */
  entrypoint: likely(Schema.Array(Schema.String)),
  /** The image's default command (`cmd`). */
  command: likely(Schema.Array(Schema.String)).pipe(Schema.fromKey("cmd")),
  /** Its variables, `NAME=VALUE`. */
  env: likely(Schema.Array(Schema.String)),
  /** The directory in which its commands start. */
  workdir: likely(Schema.String),
  /** Whose its commands are: a name or a number of the guest. */
  user: likely(Schema.String)
})

/**
 * An image in a machine's storage.
 *
 * @since 0.1.0
 * @category models
 */
export type Image = typeof Image.Type

/**
 * A machine's storage and the images in it. Fields that are not named here are ignored.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Images = Schema.Struct({
  /** How much room there is, and what takes it. */
  storage: absentOr(Storage),
  /** In smolvm's order. */
  images: Schema.Array(Image)
})

/**
 * A machine's storage and the images in it.
 *
 * @since 0.1.0
 * @category models
 */
export type Images = typeof Images.Type

/** What a boot says goes to stdout too (`Running 1 init command(s)`), in lines before the object. */
const withoutNotes = Schema.transform(Schema.String, Schema.String, {
  strict: true,
  decode: (text) => text.slice(Math.max(0, text.search(/^\{/m))),
  encode: (text) => text
})

/**
 * What `machine images --json` prints: an object, after whatever a machine that had to be booted for it says.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Output = Schema.compose(withoutNotes, Schema.parseJson(Images))
