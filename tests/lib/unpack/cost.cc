#include "tests/lib/unpack/cost.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "fmt/format.h"
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "tests/lib/archive/archive_builder.h"
#include "tests/lib/unpack/samples.h"

namespace dmarcate {
namespace {

constexpr int kTries = 3;

#if defined(__x86_64__)
constexpr uint32_t kMachine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kMachine = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kMachine = 0;
#endif

// All calls that take a name of a file, start a program, or make or join a socket.
constexpr long kForbidden[] = {
#ifdef SYS_open
    SYS_open,      SYS_creat,    SYS_stat,       SYS_lstat,     SYS_access,     SYS_rename,
    SYS_mkdir,     SYS_rmdir,    SYS_unlink,     SYS_symlink,   SYS_link,       SYS_readlink,
    SYS_chmod,     SYS_chown,    SYS_lchown,     SYS_mknod,
#endif
    SYS_openat,    SYS_openat2,  SYS_newfstatat, SYS_statx,     SYS_faccessat,  SYS_faccessat2,
    SYS_renameat2, SYS_mkdirat,  SYS_unlinkat,   SYS_symlinkat, SYS_linkat,     SYS_readlinkat,
    SYS_fchmodat,  SYS_fchownat, SYS_mknodat,    SYS_truncate,  SYS_chdir,      SYS_chroot,
    SYS_mount,     SYS_execve,   SYS_execveat,   SYS_socket,    SYS_socketpair, SYS_connect,
    SYS_bind,      SYS_sendto,   SYS_sendmsg};

bool ForbidFiles() {
  if (kMachine == 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  std::vector<sock_filter> code = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kMachine, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  for (const long call : kForbidden) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call), 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{.len = static_cast<unsigned short>(code.size()), .filter = code.data()};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// A line of /proc/self/status, in KiB: "VmHWM:", "VmRSS:". `file` is that file: it cannot be opened
// any more when the peak is wanted.
int64_t StatusKib(int file, std::string_view key) {
  std::array<char, 8192> text{};
  const ssize_t size = pread(file, text.data(), text.size() - 1, 0);
  const std::string_view all(text.data(), size > 0 ? static_cast<size_t>(size) : 0);
  const size_t at = all.find(key);
  return at == std::string_view::npos ? -1 : std::atoll(text.data() + at + key.size());
}

// Libraries open their own files once, when they are used first.
void WarmUp() {
  static const bool done = [] {
    // Where TZ does not say it, the C library looks at the time zone's file whenever libzip asks.
    setenv("TZ", "UTC0", 1);
    for (const std::string& input :
         {SampleXml(), SampleTlsJson(), ZipOf({{"a", "b"}}),
          LeafMail("Content-Type: text/xml", SampleXml()),
          LeafMail("Content-Type: message/feedback-report", SampleFeedback()),
          LeafMail("X-Name: =?x-none?q?a?=\nContent-Type: a/b; name=\"=?koi8-r?q?=C1?=\"", "x")}) {
      UnpackLines(input);
    }
    return true;
  }();
  EXPECT_TRUE(done);
}

[[noreturn]] void RunChild(int out, std::string input, Files files, bool handed_in,
                           std::string_view file_name, const MakeRecordSink& make_sink) {
  malloc_trim(0);  // what the parent has freed is no room to hide in
  const int status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  const int peak = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (write(peak, "5", 1) != 1) _exit(3);  // the peak counts from here
  if (files == Files::kForbidden && CanForbidFiles() && !ForbidFiles()) _exit(4);
  const int64_t before = StatusKib(status, "VmRSS:");
  const double cpu_before = CpuSeconds();
  const std::vector<std::string> lines =
      UnpackLines(std::move(input), file_name, {}, handed_in, make_sink);
  std::string text =
      fmt::format("{} {}\n", StatusKib(status, "VmHWM:") - before, CpuSeconds() - cpu_before);
  for (const std::string& line : lines) text += line + "\n";
  for (size_t at = 0; at < text.size();) {
    const ssize_t written = write(out, text.data() + at, text.size() - at);
    if (written <= 0) _exit(2);
    at += static_cast<size_t>(written);
  }
  _exit(0);
}

}  // namespace

bool CanForbidFiles() {
  static const bool can = [] {
    const pid_t child = fork();
    if (child == 0) {
      if (!ForbidFiles()) _exit(1);
      open("/dev/null", O_RDONLY);
      _exit(1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
  }();
  return can;
}

Measured UnpackInChild(const std::string& input, Files files, bool handed_in,
                       std::string_view file_name, const MakeRecordSink& make_sink) {
  WarmUp();
  CanForbidFiles();
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    RunChild(ends[1], input, files, handed_in, file_name, make_sink);
  }
  close(ends[1]);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);

  Measured measured;
  measured.killed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  EXPECT_FALSE(measured.killed) << "the child died: "
                                << (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS
                                        ? "it named a file or made a socket"
                                        : fmt::format("status {}", status));
  std::istringstream in(text);
  in >> measured.growth_kib >> measured.cpu_seconds;
  in.ignore();
  for (std::string line; std::getline(in, line);) measured.lines.push_back(line);
  return measured;
}

Measured UnpackWithin(const std::string& input, Files files, bool handed_in, double cpu_seconds,
                      const MakeRecordSink& make_sink) {
  Measured best = UnpackInChild(input, files, handed_in, "", make_sink);
  for (int i = 1; i < kTries && best.cpu_seconds >= cpu_seconds; ++i) {
    const Measured again = UnpackInChild(input, files, handed_in, "", make_sink);
    if (again.cpu_seconds < best.cpu_seconds) best = again;
  }
  return best;
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

}  // namespace dmarcate
