// What smolvm says when it fails, verbatim, and which subcommands say it. What becomes of it is the code's own answer.

const naming = (subcommand) => [...subcommand.options, ...subcommand.positionals].some(({ key }) => isName(key))

const isName = (key) => ["name", "fromVm", "golden", "src", "dst"].includes(key)

const among =
  (...commands) =>
  ({ command }) =>
    commands.includes(command)

/** Each with the subcommands that can say it; `named` of those it is about a machine that was named. */
export const failures = [
  {
    text: "Error: vm not found: box\n",
    isSaid: (subcommand) => naming(subcommand) && !among("machine create", "machine run")(subcommand)
  },
  {
    text: "Error: config operation failed: create: machine 'box' already exists\n",
    isSaid: among("machine create", "machine run", "machine fork")
  },
  {
    text: "Error: agent operation failed: connect: machine 'box' is not running. Use 'smolvm machine start --name box' first.\n",
    isSaid: among("machine exec", "machine shell", "machine cp")
  },
  {
    text: "Error: agent operation failed: start: another process is already starting or running this VM\n",
    isSaid: among("machine start", "machine run", "machine fork")
  },
  {
    text: "Error: invalid vm state: expected running, got stopped\n",
    isSaid: (subcommand) => naming(subcommand) && !among("machine create", "machine status")(subcommand)
  },
  {
    text: "Error: agent operation failed: start: host port 80 is already in use by running machine 'other'\n",
    isSaid: among("machine start", "machine run", "machine fork", "pack run")
  },
  {
    text: "Error: config operation failed: create machine: image 'alpine' must be pulled from a registry, but this machine has no network, so the pull can never succeed. Add --net (or publish a port with -p)\n",
    isSaid: among("machine create", "machine run")
  },
  {
    text: "Error: kvm not available: /dev/kvm: No such file or directory\n",
    isSaid: among("machine start", "machine run", "machine fork", "machine images", "machine monitor", "pack run")
  }
]

/** What every subcommand can say, with its exit code. */
export const everywhere = [
  { exitCode: 1, text: "Error: io operation failed: no such file\n" },
  { exitCode: 1, text: "Error: agent operation failed: exec: timed out after 30000ms\n" },
  { exitCode: 2, text: "error: unexpected argument '--nope' found\n\nUsage: smolvm machine exec [OPTIONS]\n" }
]
