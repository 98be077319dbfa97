#!/usr/bin/env node
/**
 * `bottle-bundle`: what runs inside a bundle's container. Without an argument it is the container's init.
 *
 * @since 0.1.0
 */

const RUN_DIRECTORY = "/run"

const stateDirectory = process.env["BOTTLE_RUN"] ?? RUN_DIRECTORY

switch (process.argv[2]) {
  case undefined:
    void import("./internal/initMain.js").then(({ run }) => {
      const program = { program: process.execPath, args: [process.argv[1] ?? "", "egress"] }
      run(process, [{ name: "egress", ...program }], { stateDirectory })
    })
    break
  case "egress":
    void import("./internal/egressMain.js").then(({ run }) => run(process, stateDirectory))
    break
  case "health":
    void import("./Health.js").then(({ HEALTHY, read }) => {
      const state = read(stateDirectory)
      process.stdout.write(`${state}\n`)
      process.exitCode = state === HEALTHY ? 0 : 1
    })
    break
  case "credentials":
    void import("./internal/handover.js").then(async ({ send }) => {
      const problem = await send(stateDirectory, process.stdin)
      if (problem !== undefined) process.stderr.write(`${problem}\n`)
      process.exitCode = problem === undefined ? 0 : 1
    })
    break
  default:
    process.stderr.write("usage: bottle-bundle [egress|health|credentials]\n")
    process.exitCode = 2
}
