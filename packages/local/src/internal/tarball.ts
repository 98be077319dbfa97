/*
 * Tar archives (ustar) made in memory: the few directories, links and small files of which a machine's root begins.
 */

/** One member of an archive. Paths are relative, ASCII, and at most 100 bytes long, as are the targets of links. */
export type Member =
  | { readonly type: "directory"; readonly path: string; readonly mode: number }
  | { readonly type: "file"; readonly path: string; readonly mode: number; readonly content: string }
  | { readonly type: "link"; readonly path: string; readonly target: string }
  | { readonly type: "fifo"; readonly path: string; readonly mode: number }

const blockBytes = 512

const typeFlags = { file: "0", link: "2", directory: "5", fifo: "6" } as const

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, "0")}\0`

const header = (member: Member, size: number): Buffer => {
  const block = Buffer.alloc(blockBytes)
  block.write(member.path, 0, 100, "utf8")
  block.write(octal(member.type === "link" ? 0o777 : member.mode, 8), 100, "latin1")
  block.write(octal(0, 8), 108, "latin1")
  block.write(octal(0, 8), 116, "latin1")
  block.write(octal(size, 12), 124, "latin1")
  block.write(octal(0, 12), 136, "latin1")
  block.write("        ", 148, "latin1")
  block.write(typeFlags[member.type], 156, "latin1")
  if (member.type === "link") block.write(member.target, 157, 100, "utf8")
  block.write("ustar\u000000", 257, "latin1")
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1")
  return block
}

/** The bytes of an archive with these members, in this order. */
export const make = (members: ReadonlyArray<Member>): Uint8Array => {
  const blocks: Array<Buffer> = []
  for (const member of members) {
    const content = Buffer.from(member.type === "file" ? member.content : "", "utf8")
    blocks.push(header(member, content.length), content)
    const rest = content.length % blockBytes
    if (rest > 0) blocks.push(Buffer.alloc(blockBytes - rest))
  }
  blocks.push(Buffer.alloc(2 * blockBytes))
  return Buffer.concat(blocks)
}
