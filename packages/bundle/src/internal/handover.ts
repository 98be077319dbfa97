// Nothing but node, so that handing over costs no more than starting node.
import * as Net from "node:net"
import * as Path from "node:path"
import type { Readable } from "node:stream"

/** As many values as a policy may name, each as long as one may be, with their names. */
export const BYTES_MAX = 2 * 1024 * 1024

/** What the daemon answers to values that it has taken; anything else is why it has not. */
export const TAKEN = "taken"

/** The daemon is there a moment after its container. */
const CONNECT_TIMEOUT_MILLIS = 20_000
const CONNECT_PAUSE_MILLIS = 50
const ANSWER_TIMEOUT_MILLIS = 10_000

export const socketIn = (directory: string): string => Path.join(directory, "bottle-credentials.sock")

const readAll = async (input: Readable): Promise<string | undefined> => {
  const chunks: Array<Buffer> = []
  let length = 0
  for await (const chunk of input) {
    if (!Buffer.isBuffer(chunk)) return undefined
    chunks.push(chunk)
    length += chunk.length
    if (length > BYTES_MAX) return undefined
  }
  return Buffer.concat(chunks).toString("utf8")
}

const ask = (path: string, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = ""
    const socket = Net.connect(path, () => socket.write(text))
    socket.setEncoding("utf8")
    socket.setTimeout(ANSWER_TIMEOUT_MILLIS, () => socket.destroy())
    socket.on("data", (part: string) => (answer += part))
    socket.on("error", reject)
    socket.on("close", () => resolve(answer.trim()))
  })

const pause = (millis: number): Promise<void> => new Promise((done) => setTimeout(done, millis))

/** Hands what it reads over to the daemon that waits for it; gives why it could not, in words that hold nothing of it. */
export const send = async (directory: string, input: Readable): Promise<string | undefined> => {
  const text = await readAll(input)
  if (text === undefined) return "there is too much to read"
  const end = performance.now() + CONNECT_TIMEOUT_MILLIS
  for (;;) {
    try {
      const answer = await ask(socketIn(directory), text.endsWith("\n") ? text : `${text}\n`)
      return answer === TAKEN ? undefined : answer === "" ? "the daemon did not answer" : answer
    } catch {
      if (performance.now() > end) return "no daemon waits for credentials"
      await pause(CONNECT_PAUSE_MILLIS)
    }
  }
}
