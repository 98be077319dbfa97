/** What is worth saying beyond the class's own words, by its tag. */
export const notes: Readonly<Record<string, string>> = {
  StageFailed:
    "`stage` says which part of the launch it was; `bottle plan` prints all of its commands. The machine, its network and its proxy are gone by then: run with `--keep-on-failure` to look into a machine that starts but fails later.",
  HypervisorUnavailable:
    "`bottle doctor` looks at `/dev/kvm` and says what to do. On a machine of a cloud, nested virtualisation has to be switched on where the machine is made; `--runtime local` needs no hypervisor, and shares the kernel.",
  EgressNotEnforced:
    "This is what bottle is for: the guest was never handed over. Please report it with the record's `proof.json` if the runtime is a released one.",
  UsageError: "Nothing was created. `bottle COMMAND --help` prints the flags of a command.",
  OwnerFailed:
    "It is told as the failure that it was in the other process, under that one's name: the owner of the bottle is another process, its keeper or a `bottle run`."
}
