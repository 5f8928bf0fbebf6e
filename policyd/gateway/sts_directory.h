// policyd/gateway/sts_directory.h
// Policy files in a directory, one for each domain that asks for it: DIRECTORY/example.com.txt.

#ifndef DMARCATE_POLICYD_GATEWAY_STS_DIRECTORY_H_
#define DMARCATE_POLICYD_GATEWAY_STS_DIRECTORY_H_

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "lib/mailauth/domain_name.h"

namespace dmarcate {

// Thread-safe. Reads a file with each question, so that what is put there is served at once.
class StsDirectory {
 public:
  explicit StsDirectory(std::string directory) : directory_(std::move(directory)) {}

  // The bytes of the domain's file. Nothing where there is none, or what is there is no policy
  // (ParseMtaStsPolicy); the log says why, once for each reason.
  std::optional<std::string> Find(const DomainName& domain);

 private:
  void Tell(const std::string& path, const std::string& why);

  const std::string directory_;
  std::mutex mutex_;
  std::map<std::string, std::string> told_;  // by path; at most kMostTold
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_GATEWAY_STS_DIRECTORY_H_
