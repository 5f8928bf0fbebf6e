// cli/waiting.h
// Tells a person at a terminal that an answer takes long, for how long, and what is being done
// meanwhile. Elsewhere nothing is told: the answer, or the failure, says it all.

#ifndef DMARCATE_CLI_WAITING_H_
#define DMARCATE_CLI_WAITING_H_

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace dmarcate::cli {

// As long as it lives, from its second second on: one line on stderr, redrawn, which goes with it.
class Waiting {
 public:
  // `what`: "the zone of example.com is read ...".
  explicit Waiting(std::string what);
  ~Waiting();
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  void Draw();

  const std::string what_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::thread thread_;  // none where nobody looks
};

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_WAITING_H_
