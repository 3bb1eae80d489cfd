import Foundation
import Glibc
import Testing

@testable import HeraldCLI

@Suite("Parts of the private PostgreSQL")
struct ClusterPartsTests {
  private func settings(memory: Int) -> String {
    ServerSettings(socketDirectory: "/a 'b'", memory: memory, users: ["li"]).main
  }

  @Test(
    "memory settings follow the machine within bounds",
    arguments: [
      (256, "64MB", "4MB"), (2048, "256MB", "4MB"), (16_384, "2048MB", "32MB"),
      (1_048_576, "4096MB", "64MB"), (0, "64MB", "4MB"),
    ])
  func memory(megabytes: Int, shared: String, work: String) {
    let text = settings(memory: megabytes * 1_048_576)
    #expect(text.contains("shared_buffers = '\(shared)'"))
    #expect(text.contains("\nwork_mem = '\(work)'"))
    #expect(text.contains("unix_socket_directories = '/a ''b'''"))
  }

  @Test("root and Herald's user may connect as each role, and nobody else")
  func identities() {
    let text = ServerSettings(socketDirectory: "/s", memory: 0, users: ["li", "root"]).identities
    let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
    #expect(lines.count == 6)
    #expect(
      lines.contains("herald \"li\" herald_app") && lines.contains("herald \"root\" postgres"))
  }

  @Test("a socket directory with odd characters survives in the address")
  func address() {
    let url = ClusterRoles.url(role: "herald_app", socketDirectory: "/tmp/a b&c=é/s")
    #expect(url == "postgresql://herald_app@/herald?host=/tmp/a%20b%26c%3D%C3%A9/s&port=5432")
  }

  @Test(
    "the data directory is the chosen one, else the usual place of the user",
    arguments: [
      (["HERALD_DATA_DIR": "/d", "HOME": "/h"], false, "/d"),
      (["HERALD_DATA_DIR": "", "HOME": "/h"], false, "/h/.local/share/herald"),
      (["XDG_DATA_HOME": "/x", "HOME": "/h"], false, "/x/herald"),
      (["HOME": "/root"], true, "/var/lib/herald"),
    ])
  func dataDirectory(environment: [String: String], isRoot: Bool, expected: String) {
    #expect(ClusterDirectory.standardPath(environment: environment, isRoot: isRoot) == expected)
  }

  @Test("a postmaster.pid in any state of writing is read without a trap")
  func postmasterFile() {
    let whole = "17\n/data\n1700000000\n5432\n/sock\n\n  123  4\nready   \n"
    let server = Postmaster(file: whole)
    #expect(server?.process == 17 && server?.socketDirectory == "/sock" && server?.isReady == true)
    for length in 0..<whole.utf8.count {
      let part = Postmaster(file: String(whole.prefix(length)))
      #expect(part?.isReady != true || length >= whole.utf8.count - 4)
    }
    for text in ["", "x\n", "-3\n", "0\n", "99999999999999999999\n"] {
      #expect(Postmaster(file: text) == nil)
    }
  }

  @Test("a child inherits no descriptor, no ignored signal, no environment, and works in /")
  func child() async throws {
    signal(SIGPIPE, SIG_IGN)
    let leaked = open("/dev/null", O_RDONLY)  // Without O_CLOEXEC, on purpose.
    defer { close(leaked) }
    let outcome = try await ChildProcess.run([
      "/bin/sh", "-c", "grep SigIgn /proc/self/status; ls /proc/self/fd; pwd; env | sort",
    ])
    var words = outcome.output.split { $0.isWhitespace }.map(String.init)
    #expect(words.removeFirst() == "SigIgn:")
    // Beyond the standard signals lie two that the C library keeps to itself.
    #expect(try #require(UInt64(words.removeFirst(), radix: 16)) & 0x7fff_ffff == 0)
    // 3 is the directory that `ls` reads.
    #expect(
      words == [
        "0", "1", "2", "3", "/", "LC_ALL=C.UTF-8",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PWD=/",
      ])
  }

  @Test("the status of a child is its own, or tells the signal that ended it")
  func status() async throws {
    #expect(try await ChildProcess.run(["/bin/sh", "-c", "exit 7"]).status == 7)
    #expect(try await ChildProcess.run(["/bin/sh", "-c", "kill -9 $$"]).status == 137)
    await #expect(throws: ClusterError.self) { try await ChildProcess.run(["/no/such/program"]) }
  }

  @Test("a lock is exclusive between holders and goes with its holder")
  func lock() throws {
    let path = NSTemporaryDirectory() + "herald-lock-\(UUID().uuidString)"
    defer { unlink(path) }
    let owner = FileOwner(user: geteuid(), group: getegid())
    let first = try FileLock(path: path, owner: owner)
    do {
      let second = try FileLock(path: path, owner: owner)
      #expect(second.attempt(.exclusive))
      #expect(!first.attempt(.exclusive) && !first.attempt(.shared))
    }
    #expect(first.attempt(.shared))
    let third = try FileLock(path: path, owner: owner)
    #expect(third.attempt(.shared) && !first.attempt(.exclusive))
  }
}
