// `npm -s start -- run ... -- COMMAND`: the bottle command from a checkout. Written in words that old Nodes can still
// parse, so that they get to say what is missing.
var major = Number(process.versions.node.split(".")[0])
if (major < 20) {
  process.stderr.write("bottle needs Node 20 or newer, and this is Node " + process.versions.node + "\n")
  process.exitCode = 1
} else {
  import("./launch.mjs").then(function (launch) {
    return launch.start(process.argv.slice(2))
  })
}
