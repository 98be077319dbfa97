/**
 * Bytes that arrive piece by piece, in one buffer that doubles: a peer that sends one byte at a time costs its bytes,
 * not a piece for each of them.
 */
export class Growing {
  private buffer = Buffer.alloc(0)
  private length = 0

  get size(): number {
    return this.length
  }

  /** What has arrived, without a copy; good until the next `append`. */
  get bytes(): Buffer {
    return this.buffer.subarray(0, this.length)
  }

  append(chunk: Buffer): void {
    const needed = this.length + chunk.length
    if (needed > this.buffer.length) {
      const grown = Buffer.alloc(Math.max(needed, 2 * this.buffer.length, 1024))
      this.buffer.copy(grown, 0, 0, this.length)
      this.buffer = grown
    }
    chunk.copy(this.buffer, this.length)
    this.length = needed
  }
}
