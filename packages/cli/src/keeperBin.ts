/**
 * `bottle-keeper`: what `bottle` starts to go on without it. No command for people.
 *
 * - `recover STATE ID NONCE`: takes down what a dead owner left of one bottle
 *
 * @since 0.1.0
 */
const modes: Readonly<Record<string, () => Promise<{ readonly start: (words: ReadonlyArray<string>) => void }>>> = {
  recover: () => import("./RecoverMain.js")
}

const [mode = "", ...words] = process.argv.slice(2)
const load = Object.hasOwn(modes, mode) ? modes[mode] : undefined
if (load === undefined) {
  process.stderr.write("bottle-keeper: is started by bottle, and takes no other commands\n")
  process.exitCode = 2
} else void load().then((main) => main.start(words))
