#include "cli/waiting.h"

#include <chrono>
#include <utility>

#include "fmt/format.h"

#include "cli/output.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

constexpr std::chrono::seconds kQuiet(2);  // shorter waits need no word
constexpr std::chrono::seconds kRedraw(1);

}  // namespace

Waiting::Waiting(std::string what) : what_(std::move(what)) {
  if (StderrIsTerminal()) thread_ = std::thread([this] { Draw(); });
}

Waiting::~Waiting() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  ended_.notify_all();
  thread_.join();
}

void Waiting::Draw() {
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  auto pause = kQuiet;
  bool drawn = false;
  while (!ended_.wait_for(lock, pause, [this] { return over_; })) {
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start);
    WriteErr(fmt::format("\r\033[Kwaiting {} s: {}", seconds.count(), EscapeForTerminal(what_)));
    drawn = true;
    pause = kRedraw;
  }
  if (drawn) WriteErr("\r\033[K");
}

}  // namespace dmarcate::cli
