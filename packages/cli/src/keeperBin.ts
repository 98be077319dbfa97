/**
 * `bottle-keeper`: what `bottle` starts to go on without it. No command for people.
 *
 * - `keep`: holds one bottle that outlives its terminal
 * - `recover STATE ID NONCE`: takes down what a dead owner left of one bottle
 * - `sweep STATE`: takes down what dead owners left of all bottles
 *
 * @since 0.1.0
 */
interface Main {
  readonly start: (words: ReadonlyArray<string>) => void
}

const modes: ReadonlyMap<string, () => Promise<Main>> = new Map([
  ["keep", () => import("./KeeperMain.js")],
  ["recover", () => import("./RecoverMain.js")],
  ["sweep", () => import("./SweepMain.js")]
])

const [mode = "", ...words] = process.argv.slice(2)
const load = modes.get(mode)
if (load === undefined) {
  process.stderr.write("bottle-keeper: is started by bottle, and takes no other commands\n")
  process.exitCode = 2
} else void load().then((main) => main.start(words))
