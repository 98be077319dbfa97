/**
 * The `bottle` program: composes the layers and runs.
 *
 * @since 0.1.0
 */
import { VERSION } from "./Version.js"

// What we make must be ours to use; what the caller keeps from others stays kept.
process.umask(process.umask(0o077) & 0o077)

// Answered before anything is loaded.
if (process.argv.length === 3 && process.argv[2] === "--version") process.stdout.write(`${VERSION}\n`)
else void import("./program.js").then((program) => program.start())
