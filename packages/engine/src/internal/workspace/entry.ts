import * as Schema from "effect/Schema"

/**
 * What a path of a tree is. `mode` is its permission bits; `hash` is SHA-256 of the contents, and `stamp` is how the file
 * of the copy was found when its hash was taken.
 */
export const Entry = Schema.Union(
  Schema.TaggedStruct("File", {
    path: Schema.String,
    mode: Schema.Int,
    size: Schema.Number,
    hash: Schema.String,
    stamp: Schema.String
  }),
  Schema.TaggedStruct("Directory", { path: Schema.String, mode: Schema.Int }),
  Schema.TaggedStruct("Link", { path: Schema.String, target: Schema.String })
)

export type Entry = typeof Entry.Type

export type FileEntry = Extract<Entry, { readonly _tag: "File" }>

export type LinkEntry = Extract<Entry, { readonly _tag: "Link" }>

/** Whether two entries are the same thing, however they came about. */
export const isSame = (left: Entry | null, right: Entry | null): boolean => {
  if (left === null || right === null) return left === right
  if (left._tag === "File") return right._tag === "File" && left.hash === right.hash && left.mode === right.mode
  if (left._tag === "Directory") return right._tag === "Directory" && left.mode === right.mode
  return right._tag === "Link" && left.target === right.target
}
