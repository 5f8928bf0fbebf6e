// tests/testing/temp_dir.h
// A directory that goes when the test does.

#ifndef DMARCATE_TESTS_TESTING_TEMP_DIR_H_
#define DMARCATE_TESTS_TESTING_TEMP_DIR_H_

#include <string>
#include <string_view>

namespace dmarcate::testing_support {

// Below $TMPDIR or /tmp, readable by others (servers run as nobody). Removed with all it holds,
// unless DMARCATE_KEEP_TEMP is set. Aborts if it cannot be made: no test can go on.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(std::string_view name) const { return path_ + "/" + std::string(name); }
  // Writes (directories on the way are made) and returns the path. Aborts if it cannot.
  std::string Write(std::string_view name, std::string_view content) const;
  // Gives everything in it to nobody, if we are root.
  void GiveAway() const;

 private:
  std::string path_;
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_TESTING_TEMP_DIR_H_
