/**
 * A filter of system calls for the guest's commands: what no namespace confines, and the kernel's doors that a command
 * has no business with.
 *
 * Namespaces leave some things shared. A socket of the family AF_VSOCK reaches the hypervisor below from any network
 * namespace; a session keyring, and the kernel's log, are the caller's. The filter refuses those, and calls whose only
 * use here would be to find faults in the kernel. All others pass: it is a list of refusals, not of permissions.
 *
 * None of util-linux 2.38 can load a filter; perl can, and is part of most systems. Without perl there is none.
 *
 * @since 0.1.0
 */
import type { Tools } from "./Host.js"

/** One instruction of classic BPF: code, jump if true, jump if false, operand. */
type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, operand: number]

const load = 0x20
const jumpIfEqual = 0x15
const jumpIfAtLeast = 0x35
const giveBack = 0x06

const allow = 0x7fff_0000
const refuse = (errno: number): number => 0x0005_0000 | errno

const errors = { EPERM: 1, ENOSYS: 38, EAFNOSUPPORT: 97 } as const

// Offsets in struct seccomp_data; the low halves of arguments, on little-endian machines.
const numberOffset = 0
const architectureOffset = 4
const firstArgumentOffset = 16
const secondArgumentOffset = 24
const thirdArgumentOffset = 32

const coreResource = 4
/** Nothing happens, and the caller is told that it did. */
const pretend = 0x0005_0000

const vsockFamily = 40
const terminalInjections = [0x5412 /* TIOCSTI */, 0x541c /* TIOCLINUX */]

interface Architecture {
  readonly audit: number
  readonly prctl: number
  readonly socket: number
  readonly ioctl: number
  readonly setrlimit: number
  readonly prlimit: number
  readonly refused: ReadonlyArray<number>
  /** Where a second numbering of the same architecture begins. */
  readonly otherNumbering: number | undefined
}

/** The same numbers everywhere: the mount calls from open_tree to fspick, mount_setattr, and the three of io_uring. */
const newMountCalls = [428, 429, 430, 431, 432, 433, 442]
const ringCalls = [425, 426, 427]

const architectures: Readonly<Record<string, Architecture>> = {
  x64: {
    audit: 0xc000_003e,
    prctl: 157,
    socket: 41,
    ioctl: 16,
    setrlimit: 160,
    prlimit: 302,
    // syslog, pivot_root, mount, umount2, swapon, swapoff, reboot, init_module, delete_module, quotactl, kexec_load,
    // add_key, request_key, keyctl, unshare, perf_event_open, open_by_handle_at, finit_module, kexec_file_load, bpf,
    // userfaultfd
    refused: [
      103,
      155,
      165,
      166,
      167,
      168,
      169,
      175,
      176,
      179,
      246,
      248,
      249,
      250,
      272,
      298,
      304,
      313,
      320,
      321,
      323,
      ...newMountCalls
    ],
    otherNumbering: 0x4000_0000
  },
  arm64: {
    audit: 0xc000_00b7,
    prctl: 167,
    socket: 198,
    ioctl: 29,
    setrlimit: 164,
    prlimit: 261,
    // umount2, mount, pivot_root, quotactl, unshare, kexec_load, init_module, delete_module, syslog, reboot, add_key,
    // request_key, keyctl, swapon, swapoff, perf_event_open, open_by_handle_at, finit_module, bpf, userfaultfd,
    // kexec_file_load
    refused: [
      39,
      40,
      41,
      60,
      97,
      104,
      105,
      106,
      116,
      142,
      217,
      218,
      219,
      224,
      225,
      241,
      265,
      273,
      280,
      282,
      294,
      ...newMountCalls
    ],
    otherNumbering: undefined
  }
}

const instructions = (architecture: Architecture): ReadonlyArray<Instruction> => {
  const equals = (operand: number, then: number): ReadonlyArray<Instruction> => [
    [jumpIfEqual, 0, 1, operand],
    [giveBack, 0, 0, then]
  ]
  const argument = (call: number, offset: number, tests: ReadonlyArray<Instruction>): ReadonlyArray<Instruction> => [
    [jumpIfEqual, 0, tests.length + 2, call],
    [load, 0, 0, offset],
    ...tests,
    [giveBack, 0, 0, allow]
  ]
  return [
    // A program of another architecture would number its calls otherwise.
    [load, 0, 0, architectureOffset],
    [jumpIfEqual, 1, 0, architecture.audit],
    [giveBack, 0, 0, refuse(errors.ENOSYS)],
    [load, 0, 0, numberOffset],
    ...(architecture.otherNumbering === undefined
      ? []
      : [
          [jumpIfAtLeast, 0, 1, architecture.otherNumbering] as const,
          [giveBack, 0, 0, refuse(errors.ENOSYS)] as const
        ]),
    ...architecture.refused.flatMap((call) => equals(call, refuse(errors.EPERM))),
    ...ringCalls.flatMap((call) => equals(call, refuse(errors.ENOSYS))),
    ...argument(architecture.socket, firstArgumentOffset, equals(vsockFamily, refuse(errors.EAFNOSUPPORT))),
    ...argument(
      architecture.ioctl,
      secondArgumentOffset,
      terminalInjections.flatMap((request) => equals(request, refuse(errors.EPERM)))
    ),
    // The limit of core dumps is 1 and must not become 0, which would let the host's handler of dumps run (Join).
    ...argument(architecture.setrlimit, firstArgumentOffset, equals(coreResource, pretend)),
    ...argument(architecture.prlimit, secondArgumentOffset, [
      [jumpIfEqual, 0, 5, coreResource],
      [load, 0, 0, thirdArgumentOffset],
      [jumpIfEqual, 0, 2, 0],
      [load, 0, 0, thirdArgumentOffset + 4],
      [jumpIfEqual, 1, 0, 0],
      [giveBack, 0, 0, pretend]
    ]),
    [giveBack, 0, 0, allow]
  ]
}

/**
 * The filter for an architecture (`process.arch`) as the kernel takes it; none for architectures whose calls we do not
 * know.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (architecture: string): Uint8Array | undefined => {
  const known = architectures[architecture]
  if (known === undefined) return undefined
  const program = instructions(known)
  const bytes = Buffer.alloc(program.length * 8)
  program.forEach(([code, whenTrue, whenFalse, operand], index) => {
    bytes.writeUInt16LE(code, index * 8)
    bytes.writeUInt8(whenTrue, index * 8 + 2)
    bytes.writeUInt8(whenFalse, index * 8 + 3)
    bytes.writeUInt32LE(operand >>> 0, index * 8 + 4)
  })
  return bytes
}

// prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program); the kernel wants no new privileges, which are off already.
const loadText = String.raw`
my ($prctl, $filter) = (shift, pack("H*", shift));
my $program = pack("S x![P] P", length($filter) / 8, $filter);
syscall($prctl + 0, 22, 2, $program) == 0 or die "smolvm-local: the filter of system calls was refused: $!\n";
`

/**
 * A text for perl, and what it takes from the front of its arguments.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  readonly text: string
  readonly words: ReadonlyArray<string>
}

/**
 * The step that loads the filter. None where there is no filter for this architecture.
 *
 * @since 0.1.0
 * @category constructors
 */
export const steps = (): ReadonlyArray<Step> => {
  const known = architectures[process.arch]
  const filter = make(process.arch)
  return known === undefined || filter === undefined
    ? []
    : [{ text: loadText, words: [String(known.prctl), Buffer.from(filter).toString("hex")] }]
}

// When the host's memory runs out, a machine's command goes first.
const yieldText = String.raw`if (open(my $f, ">", "/proc/self/oom_score_adj")) { print $f 500; close($f) }`

// As strict as the caller's towards others and at least as the usual one, and never against the guest itself.
const maskText = "umask((umask() & 077) | 022);"

const becomeText = String.raw`exec { $ARGV[0] } @ARGV or die "smolvm-local: $ARGV[0]: $!\n";`

// The one who waits gives a death by signal as 128+n, as smolvm does: node takes a death by a signal without a name (the
// real-time ones) for an exit with code 0. It holds none of the command's streams.
const waitText = String.raw`
defined(my $pid = fork) or die "smolvm-local: fork: $!\n";
if ($pid) {
  close(STDIN); close(STDOUT); close(STDERR);
  my $reaped;
  do { $reaped = waitpid($pid, 0) } while ($reaped < 0 && $! == 4);
  exit($reaped < 0 ? 255 : $? & 127 ? 128 + ($? & 127) : $? >> 8);
}
`

/**
 * The words to put before a program so that perl takes these steps and then becomes it (`become`), or runs it and ends
 * with its code, 128+n where signal n ended it (`wait`). None where there is no perl, or no step.
 *
 * @since 0.1.0
 * @category constructors
 */
export const words = (
  tools: Tools,
  taken: ReadonlyArray<Step> = steps(),
  ending: "become" | "wait" = "become"
): ReadonlyArray<string> =>
  tools.perl === undefined || taken.length === 0
    ? []
    : [
        tools.perl,
        "-f",
        ...taken.flatMap((step) => ["-e", `{${step.text}}`]),
        "-e",
        `${yieldText}${maskText}${ending === "wait" ? waitText : ""}${becomeText}`,
        "--",
        ...taken.flatMap((step) => step.words)
      ]
