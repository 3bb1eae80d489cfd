# Reads the output of `swift test` and prints seconds per suite, what failed, and the count of tests
# as the last line. Takes the run's exit status in `status` and the seconds spent in `seconds`; exits
# with the status, or with 1 when no test ran.

# The name in a line such as: <symbol> Test "some name" passed after 0.3 seconds.
function name(line, kind, verb) {
  sub("^[^A-Za-z]*" kind " ", "", line)
  sub(" (with [0-9]+ test cases )?" verb ".*$", "", line)
  return line
}

/Test run with [0-9]+ tests? / { finished = $0; next }

/^[^A-Za-z]*Test .* recorded an issue/ { issues = issues "\n  " $0 }
/^[^A-Za-z]*Test .* started\.$/ && !/Test (run|case) / { running[name($0, "Test", "started")] }
/^[^A-Za-z]*Test .* passed after / { passed++; delete running[name($0, "Test", "passed after")] }
/^[^A-Za-z]*Test .* failed after / { failed++; delete running[name($0, "Test", "failed after")] }
/^[^A-Za-z]*Test .* skipped/ { skipped++ }

/^[^A-Za-z]*Suite .* (passed|failed) after / {
  match($0, /after [0-9.]+ seconds/)
  spent[name($0, "Suite", "(passed|failed) after")] = substr($0, RSTART + 6, RLENGTH - 14)
}

END {
  print "\nSeconds per suite, slowest first"
  sort = "sort -rn"
  for (suite in spent) printf "%10.2f  %s\n", spent[suite], suite | sort
  close(sort)

  if (issues) print "\nIssues" issues
  if (!finished) {
    print "\nThe run ended early, with status " status ". Tests that had begun and not ended:"
    for (test in running) print "  " test
  }
  if (passed + failed == 0 && finished) print "\nNo test ran."
  if (!status && (passed == 0 || failed || !finished)) status = 1
  printf "\n%d tests passed, %d failed, %d skipped; %d s in all\n", passed, failed, skipped, seconds
  exit status
}
