// policyd/provider/exec/exec_provider.h
// Any DNS host for which the operator has a program: exec_message.h is what it is asked and what it
// answers. Its class is what the account says; Test() sees that the program promises as much.
//
// What the program says is not believed further than it can be seen: before a write the RRset is
// read and compared, and after it read again. Answers that make no sense, and a program that was
// killed, leave a write of unknown outcome.

#ifndef DMARCATE_POLICYD_PROVIDER_EXEC_EXEC_PROVIDER_H_
#define DMARCATE_POLICYD_PROVIDER_EXEC_EXEC_PROVIDER_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/secret.h"
#include "policyd/provider/exec/program.h"
#include "policyd/provider/provider.h"

namespace dmarcate {

// A program that the configuration of policyd names ([[program]]). Accounts, which the API makes,
// name it and nothing more: whoever may add an account cannot run what they like.
struct ExecProgram {
  std::vector<std::string> command;  // an absolute path, and its arguments
  absl::Duration time_limit = absl::Seconds(30);
};
using ExecPrograms = std::map<std::string, ExecProgram, std::less<>>;  // by name

// The environment variable that says where the secret is: "3". Not there without one.
inline constexpr char kExecSecretVariable[] = "DMARCATE_SECRET_FD";

class ExecProvider final : public DnsProvider {
 public:
  // `name`: as the configuration calls the program. `secret`: perhaps empty.
  ExecProvider(std::string_view name, ExecProgram program, ProviderClass provider_class,
               Secret secret);

  ProviderClass provider_class() const override { return class_; }
  absl::StatusOr<DomainName> FindZone(const DomainName& owner) override;
  absl::StatusOr<std::vector<DomainName>> ListZones() override;
  absl::StatusOr<RrSet> ReadRrSet(const DomainName& zone, const DomainName& owner) override;
  absl::Status Apply(const DomainName& zone, const RrSetChange& change) override;
  ProviderTest Test() override;

 private:
  enum class Operation : uint8_t { kRead, kWrite };
  // What it answered. A read that got none: kUnavailable or kDataLoss; a write: kUnknown.
  absl::StatusOr<std::string> Run(std::string_view operation, std::string request, Operation kind);
  absl::Status Fail(std::string_view operation, const absl::Status& status) const;
  absl::Status Write(const DomainName& zone, const RrSetChange& change,
                     const std::vector<TxtRecord>& expected);

  const std::string name_;  // "exec NAME"
  const ExecProgram program_;
  const ProviderClass class_;
  const Secret secret_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_EXEC_EXEC_PROVIDER_H_
