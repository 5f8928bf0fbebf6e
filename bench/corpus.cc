#include "bench/corpus.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "fmt/format.h"
#include "nlohmann/json.hpp"

#include "bench/process.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace dmarcate::bench {
namespace {

constexpr char kGenerator[] = "../shared/tools/gen_reports.py";
constexpr size_t kMailLimitBytes = 64 << 20;
constexpr size_t kTruthLimitBytes = 1 << 30;

absl::Status Generate(const std::string& directory) {
  if (!std::filesystem::exists(kGenerator)) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("{} is not there, nor the generator {}", directory, kGenerator));
  }
  fmt::print("generating t20k into {}\n", directory);
  const std::string command = fmt::format(
      "python3 {} --out '{}' --reports 20000 --domains 1000 --days 90 --seed 2 > /dev/null",
      kGenerator, directory);
  if (std::system(command.c_str()) != 0) {
    return MakeError(absl::StatusCode::kUnavailable, "the generator failed");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Corpus> LoadCorpus(const std::string& directory) {
  if (!std::filesystem::exists(directory)) DMARCATE_RETURN_IF_ERROR(Generate(directory));
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/eml", error)) {
    paths.push_back(entry.path());
  }
  if (error) return MakeError(absl::StatusCode::kNotFound, directory + "/eml: " + error.message());
  std::ranges::sort(paths);
  Corpus out;
  out.memory_before = MemoryBytes();
  for (const std::string& path : paths) {
    DMARCATE_ASSIGN_OR_RETURN(std::string mail, ReadFile(path, kMailLimitBytes));
    out.bytes += static_cast<int64_t>(mail.size());
    mail.shrink_to_fit();
    out.mails.push_back(std::move(mail));
  }
  return out;
}

void ReadTruth(const std::string& directory, Corpus* corpus) {
  if (const auto text = ReadFile(directory + "/truth.json", kTruthLimitBytes); text.ok()) {
    const nlohmann::json truth = nlohmann::json::parse(*text, nullptr, false);
    if (truth.is_object()) {
      corpus->reports = truth["reports"];
      corpus->records = truth["total"][0];
      corpus->messages = truth["total"][1];
    }
  }
}

}  // namespace dmarcate::bench
