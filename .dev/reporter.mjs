// Counts tests for `npm test`, and says of each skipped one why: the reason given to `skip`, or the test's own name.
import * as fs from "node:fs"

export default class Counts {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, skips: [] }
    for (const module of modules) {
      const tests = [...module.children.allTests()]
      // A file that cannot be loaded, or a hook that throws, has no failed test to show for it.
      const failedTests = tests.filter((test) => test.result().state === "failed").length
      if (module.state() === "failed" && failedTests === 0) counts.failed += 1
      for (const test of tests) {
        const result = test.result()
        if (result.state === "passed") counts.passed += 1
        else if (result.state === "failed") counts.failed += 1
        else {
          counts.skipped += 1
          counts.skips.push({ name: `${module.project.name}: ${test.fullName}`, reason: result.note ?? null })
        }
      }
    }
    fs.writeFileSync(process.env.BOTTLE_TEST_COUNTS, JSON.stringify(counts))
  }
}
