/**
 * A smolvm that does not hold what it was told: a runtime of this machine's, whose machines leak in one way, really.
 *
 * The leaks are made where such a runtime would make them, in the machine's own network namespace or by not entering it,
 * so that whatever claims to find a leak has to find it from inside and outside as it would anywhere else.
 *
 * @since 0.1.0
 */
import type * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { execFileSync, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"

/**
 * How a machine leaks.
 *
 * - `none`: not at all; the same double, closed
 * - `policy-dropped`: its commands run in the host's network
 * - `dns-open`: a resolver answers in it, and nothing else does
 * - `loopback-open`: every TCP port of the host's loopback answers at 100.96.0.1, smolvm's gateway
 * - `device-given`: it has a network device with an address, which leads nowhere
 *
 * @since 0.1.0
 * @category models
 */
export type Leak = "none" | "policy-dropped" | "dns-open" | "loopback-open" | "device-given"

/**
 * What a leaking smolvm is made of.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly leak: Leak
  /** The name of the runtime's program. */
  readonly program: string
  /** The runtime on top of an executor (`LocalExecutor.make`), which puts a command into a machine by `nsenter`. */
  readonly runtime: (below: CommandExecutor.CommandExecutor) => CommandExecutor.CommandExecutor
  /** A directory of the test's own, for the sockets of what leaks. */
  readonly directory: string
  /** Changes the words of each command in a machine, as a guest could that is not what it seems. */
  readonly guest?: ((words: ReadonlyArray<string>) => ReadonlyArray<string>) | undefined
}

const PATHS = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]

const has = (program: string): boolean => PATHS.some((directory) => Fs.existsSync(`${directory}/${program}`))

const needed: Readonly<Record<Leak, ReadonlyArray<string>>> = {
  none: [],
  "policy-dropped": [],
  "dns-open": ["nsenter", "perl"],
  "loopback-open": ["nsenter", "perl", "ip", "iptables"],
  "device-given": ["nsenter", "ip"]
}

/**
 * What this host lacks for a leak: a program, or root. A test that needs it is skipped, and says so in its name.
 *
 * @since 0.1.0
 * @category predicates
 */
export const lacking = (leak: Leak): ReadonlyArray<string> => [
  ...(needed[leak].length > 0 && process.getuid?.() !== 0 ? ["root"] : []),
  ...needed[leak].filter((program) => !has(program))
]

/**
 * The runtime with its leak, until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  below: CommandExecutor.CommandExecutor,
  options: Options
): Effect.Effect<CommandExecutor.CommandExecutor, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const runtime = options.runtime(options.leak === "policy-dropped" ? outsideNetworks(below) : below)
    return CommandExecutor.makeExecutor((command) => {
      if (command._tag !== "StandardCommand" || command.command !== options.program) return runtime.start(command)
      const [noun, verb] = command.args
      if (noun === "machine" && verb === "exec" && options.guest !== undefined) {
        return runtime.start(withGuestWords(command, options.guest))
      }
      if (noun !== "machine" || verb !== "start") return runtime.start(command)
      return Effect.map(runtime.start(command), (started) =>
        withExit(
          started,
          // Before anybody learns that the machine has started, it leaks.
          Effect.tap(started.exitCode, (code) =>
            code === 0 ? Scope.extend(leakInto(runtime, command, options), scope) : Effect.void
          )
        )
      )
    })
  })

/**
 * The same as a layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options
): Layer.Layer<CommandExecutor.CommandExecutor, never, CommandExecutor.CommandExecutor> =>
  Layer.scoped(
    CommandExecutor.CommandExecutor,
    Effect.flatMap(CommandExecutor.CommandExecutor, (below) => make(below, options))
  )

/** Leaves a command in the caller's network, whichever machine it is put into. */
const outsideNetworks = (below: CommandExecutor.CommandExecutor): CommandExecutor.CommandExecutor =>
  CommandExecutor.makeExecutor((command) =>
    command._tag === "StandardCommand" && command.args.includes("--target")
      ? below.start(withArgs(command, (args) => args.filter((word) => word !== "--net")))
      : below.start(command)
  )

const withArgs = (
  command: Command.StandardCommand,
  change: (args: ReadonlyArray<string>) => ReadonlyArray<string>
): Command.StandardCommand =>
  Object.assign(Object.create(Object.getPrototypeOf(command)), command, { args: change(command.args) })

const withGuestWords = (
  command: Command.StandardCommand,
  change: (words: ReadonlyArray<string>) => ReadonlyArray<string>
): Command.StandardCommand =>
  withArgs(command, (args) => {
    const dashes = args.indexOf("--") + 1
    return [...args.slice(0, dashes), ...change(args.slice(dashes))]
  })

const withExit = (
  started: CommandExecutor.Process,
  exitCode: CommandExecutor.Process["exitCode"]
): CommandExecutor.Process => Object.assign(Object.create(Object.getPrototypeOf(started)), started, { exitCode })

const leakInto = (
  runtime: CommandExecutor.CommandExecutor,
  start: Command.StandardCommand,
  options: Options
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    if (options.leak === "none" || options.leak === "policy-dropped") return
    const name = start.args[start.args.indexOf("--name") + 1] ?? ""
    const status = withArgs(start, () => ["machine", "status", "--name", name])
    const text = yield* Effect.orDie(runtime.string(status))
    const pid = /^PID: (\d+)$/m.exec(text)?.[1]
    if (pid === undefined) return yield* Effect.dieMessage(`${name} has no process: ${text}`)
    const inside = ["nsenter", `--net=/proc/${pid}/ns/net`, "--"]
    switch (options.leak) {
      case "dns-open":
        return yield* openResolver(inside, Path.join(options.directory, "dns.sock"))
      case "loopback-open":
        return yield* openLoopback(inside, Path.join(options.directory, "loopback.sock"))
      case "device-given":
        return yield* giveDevice(inside, pid)
    }
  })

const run = (words: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.sync(() => {
    const [program = "", ...args] = words
    execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"] })
  })

/** A Unix socket of the host's: the way out of a network namespace that is not the network's. */
const listen = (path: string, take: (socket: Net.Socket) => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<() => void>((resume) => {
      const sockets = new Set<Net.Socket>()
      const server = Net.createServer({ allowHalfOpen: true }, (socket) => {
        sockets.add(socket)
        socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket))
        take(socket)
      })
      const close = () => {
        for (const socket of sockets) socket.destroy()
        server.close()
      }
      server.listen(path, () => resume(Effect.succeed(close)))
    }),
    (close) => Effect.sync(close)
  ).pipe(Effect.asVoid)

/** A program in the machine's network, which says so when it is ready, and is gone when the scope closes. */
const serveInside = (
  inside: ReadonlyArray<string>,
  text: string,
  path: string
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<() => Promise<void>>((resume) => {
      const [program = "", ...args] = [...inside, "perl", "-e", text, path]
      const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] })
      const ended = new Promise<void>((done) => child.on("close", () => done()))
      const close = () => {
        child.kill("SIGKILL")
        return ended
      }
      child.stdout.once("data", () => resume(Effect.succeed(close)))
      child.once("exit", (code) => resume(Effect.dieMessage(`perl ended with ${code} before it served`)))
    }),
    (close) => Effect.promise(close)
  ).pipe(Effect.asVoid)

// One datagram at a time, each on a connection of its own, to the host and back.
const RESOLVER = String.raw`use strict; use IO::Socket::INET; use IO::Socket::UNIX; use Socket qw(SHUT_WR); $|=1; my ($path)=@ARGV;
my $u=IO::Socket::INET->new(LocalAddr=>"127.0.0.1",LocalPort=>53,Proto=>"udp") or die "$!"; print "ready\n";
while (1) { my $d; my $from=$u->recv($d,4096); next unless defined $from; my $c=IO::Socket::UNIX->new(Peer=>$path) or next;
$c->syswrite($d); shutdown($c,SHUT_WR); my $r=""; while (sysread($c,$r,4096,length $r)) {} $u->send($r,0,$from) if length $r }`

/** Answers with a name that does not exist, whatever is asked. */
const openResolver = (inside: ReadonlyArray<string>, path: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* listen(path, (socket) => {
      const chunks: Array<Buffer> = []
      socket.on("data", (chunk) => chunks.push(chunk))
      socket.on("end", () => {
        const answer = Buffer.concat(chunks)
        answer.writeUInt16BE(0x8183, 2)
        socket.end(answer)
      })
    })
    yield* serveInside(inside, RESOLVER, path)
  })

const GATEWAY = "100.96.0.1"
const GATEWAY_PORT = 7777

// 80 is SO_ORIGINAL_DST: the port that the guest asked for, before the rule brought it here.
const LOOPBACK = String.raw`use strict; use IO::Socket::INET; use IO::Socket::UNIX; use Socket qw(SHUT_WR); $|=1; my ($path)=@ARGV; $SIG{CHLD}="IGNORE"; $SIG{PIPE}="IGNORE";
my $l=IO::Socket::INET->new(LocalAddr=>"0.0.0.0",LocalPort=>${GATEWAY_PORT},Listen=>64,ReuseAddr=>1) or die "$!"; print "ready\n";
sub pump { my ($a,$b)=@_; my $d; while (sysread($a,$d,65536)) { syswrite($b,$d) or return } shutdown($b,SHUT_WR) }
while (1) { my $c=$l->accept or next; my $p=fork; if ($p) { close $c; next } close $l; alarm 20;
my (undef,$port)=unpack "nn",getsockopt($c,0,80); my $u=IO::Socket::UNIX->new(Peer=>$path) or exit 1; syswrite($u,"$port\n");
my $q=fork; if ($q) { pump($c,$u); waitpid $q,0 } else { alarm 20; pump($u,$c) } exit 0 }`

const openLoopback = (inside: ReadonlyArray<string>, path: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* listen(path, (socket) => {
      socket.once("data", (first) => {
        const end = first.indexOf(10)
        const upstream = Net.connect({ host: "127.0.0.1", port: Number(first.subarray(0, end)), allowHalfOpen: true })
        upstream.on("error", () => socket.destroy()).on("close", () => socket.destroy())
        socket.on("close", () => upstream.destroy())
        upstream.write(first.subarray(end + 1))
        socket.pipe(upstream)
        upstream.pipe(socket)
      })
    })
    yield* run([...inside, "ip", "address", "add", `${GATEWAY}/32`, "dev", "lo"])
    const rule = ["-t", "nat", "-A", "OUTPUT", "-d", GATEWAY, "-p", "tcp", "-j", "REDIRECT"]
    yield* run([...inside, "iptables", ...rule, "--to-ports", String(GATEWAY_PORT)])
    yield* serveInside(inside, LOOPBACK, path)
  })

/** One end is the machine's, up and with an address; the other stays here, and is nobody's. */
const giveDevice = (inside: ReadonlyArray<string>, pid: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const ours = `leak${randomBytes(4).toString("hex")}`
    // It goes with the machine's end, so it may be gone already.
    const remove = () => execFileSync("ip", ["link", "delete", ours], { stdio: "ignore" })
    yield* Effect.addFinalizer(() => Effect.ignore(Effect.try(remove)))
    yield* run(["ip", "link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", pid])
    yield* run([...inside, "ip", "address", "add", "203.0.113.2/30", "dev", "eth0"])
    yield* run([...inside, "ip", "link", "set", "eth0", "up"])
  })
