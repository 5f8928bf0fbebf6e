#include "lib/base/thread.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include "gtest/gtest.h"

namespace dmarcate {
namespace {

int NiceOfThisThread() { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); }

TEST(ThreadTest, WhoGivesWayDoesSoAloneAndKeepsItsName) {
  const int before = NiceOfThisThread();
  int behind = 0;
  std::array<char, 16> name = {};
  std::thread worker([&] {
    NameThread("behind");
    GiveWay();
    behind = NiceOfThisThread();
    pthread_getname_np(pthread_self(), name.data(), name.size());
  });
  worker.join();
  EXPECT_EQ(behind, std::max(before, 10));
  EXPECT_EQ(NiceOfThisThread(), before);
  EXPECT_STREQ(name.data(), "behind");
}

TEST(ThreadTest, WhoGivesWayMoreAlreadyStaysThere) {
  int behind = 0;
  std::thread worker([&] {
    setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 15);
    GiveWay();
    behind = NiceOfThisThread();
  });
  worker.join();
  EXPECT_EQ(behind, std::max(NiceOfThisThread(), 15));
}

}  // namespace
}  // namespace dmarcate
