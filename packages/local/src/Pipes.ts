/**
 * Real pipes for a guest's standard streams.
 *
 * Node connects a child by socket pairs, and a socket cannot be opened by its name: `echo x >/dev/stderr` and
 * `cat /dev/stdin`, which scripts are full of, fail on it. So the last of our programs before the machine, the perl that
 * loads the filter of system calls, makes pipes, tells us their numbers, and waits until we have opened our ends in its
 * `/proc/PID/fd`. Then it puts its own in the place of the sockets. They never have a name in any file system, belong to
 * the machine's user, and end with their last descriptor.
 *
 * @since 0.1.0
 */
import * as Pipe from "@bottle/process/Pipe"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import { type PlatformError, SystemError } from "@effect/platform/Error"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { reasonOf } from "./internal/files.js"
import type { Step } from "./SyscallFilter.js"

// Perl closes all but its standard streams when it becomes another program.
const makeText = String.raw`
my $fed = shift;
my @pipes = map { pipe(my $from, my $to) or die "smolvm-local: pipe: $!\n"; [$from, $to] } 0 .. ($fed ? 2 : 1);
my @ends = ($pipes[0][0], $pipes[1][0], $fed ? $pipes[2][1] : ());
syswrite(STDOUT, "pipes " . join(" ", map { fileno($_) . ":" . (stat $_)[1] } @ends) . "\n");
sysread(STDIN, my $go, 1) or exit 1;
($fed ? open(STDIN, "<&", $pipes[2][0]) : open(STDIN, "<", "/dev/null")) or die "smolvm-local: stdin: $!\n";
open(STDOUT, ">&", $pipes[0][1]) && open(STDERR, ">&", $pipes[1][1]) or exit 1;
`

/**
 * The step by which the joining perl makes the pipes. `isFed` tells whether the command has anything to read; without it,
 * its input is `/dev/null`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const step = (isFed: boolean): Step => ({ text: makeText, words: [isFed ? "1" : ""] })

/** One end as perl told it: its descriptor there, and the number that tells this pipe from all others. */
interface End {
  readonly descriptor: number
  readonly inode: number
}

/** How long the end of a process may take to be told, once its `/proc` entry is gone. */
const goneMillis = 2000

const greetingPattern = /^pipes( [0-9]+:[0-9]+){2,3}$/

const parseGreeting = (line: string): ReadonlyArray<End> | undefined =>
  greetingPattern.test(line)
    ? line
        .split(" ")
        .slice(1)
        .map((word) => {
          const [descriptor = Number.NaN, inode = Number.NaN] = word.split(":").map(Number)
          return { descriptor, inode }
        })
    : undefined

const systemError = (method: string, description: string): PlatformError =>
  new SystemError({ module: "Command", method, reason: "Unknown", pathOrDescriptor: "pipe", description })

const onError = (method: string) => (cause: unknown) => systemError(method, reasonOf(cause))

/** Opens an end anew, so that it is ours not to block on while the guest's other end blocks as it should. */
const openEnd = (pid: number, end: End, flags: number): number => {
  const descriptor = Fs.openSync(`/proc/${pid}/fd/${end.descriptor}`, flags | Fs.constants.O_NONBLOCK)
  const stat = Fs.fstatSync(descriptor)
  if (stat.isFIFO() && stat.ino === end.inode) return descriptor
  Fs.closeSync(descriptor)
  throw new Error("it is not the pipe that was made")
}

const open = (
  pid: number,
  end: End | undefined,
  side: "readable" | "writable"
): Effect.Effect<Net.Socket | null, PlatformError, Scope.Scope> => {
  if (end === undefined) return Effect.succeed(null)
  const flags = side === "readable" ? Fs.constants.O_RDONLY : Fs.constants.O_WRONLY
  return Effect.acquireRelease(
    Effect.try({
      try: () => {
        const fd = openEnd(pid, end, flags)
        const socket = new Net.Socket({ fd, readable: side === "readable", writable: side === "writable" })
        // Without a listener, an end that leaves early is an uncaught exception.
        return socket.on("error", () => {})
      },
      catch: onError("open")
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )
}

/**
 * Takes our ends of the pipes of a process that was started with `step`, all three of its streams piped. Gives the
 * process with those for streams; its input is dropped where it is not fed. A process that ended before there were any
 * pipes has nothing but what it said. The scope closes our ends.
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect = (
  started: CommandExecutor.Process
): Effect.Effect<Pick<CommandExecutor.Process, "stdin" | "stdout" | "stderr">, PlatformError, Scope.Scope> =>
  Effect.gen(function* () {
    const greeting = yield* started.stdout.pipe(Stream.decodeText(), Stream.splitLines, Stream.runHead)
    const ends = Option.isNone(greeting) ? undefined : parseGreeting(greeting.value)
    const nothing = { stdin: Sink.drain, stdout: Stream.empty, stderr: started.stderr }
    if (ends === undefined) return nothing
    const opened = yield* Effect.either(
      Effect.all([
        open(started.pid, ends[0], "readable"),
        open(started.pid, ends[1], "readable"),
        open(started.pid, ends[2], "writable")
      ])
    )
    if (opened._tag === "Left") {
      // A timeout or a kill can come between its greeting and now; then there is nothing to connect to, and no failure.
      const isGone = yield* Effect.timeoutOption(Effect.exit(started.exitCode), goneMillis)
      return Option.isSome(isGone) ? nothing : yield* opened.left
    }
    const [stdout, stderr, stdin] = opened.right
    yield* Effect.ignore(Stream.run(Stream.make(new TextEncoder().encode("g")), started.stdin))
    return {
      stdin: Pipe.toWritable(stdin, onError("stdin")),
      stdout: Pipe.fromReadable(stdout, onError("stdout")),
      // First what our own programs said before there were pipes.
      stderr: Stream.concat(started.stderr, Pipe.fromReadable(stderr, onError("stderr")))
    }
  })
