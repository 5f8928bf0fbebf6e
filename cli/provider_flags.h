// cli/provider_flags.h
// The flags that say how an account is reached, for providers add and set.

#ifndef DMARCATE_CLI_PROVIDER_FLAGS_H_
#define DMARCATE_CLI_PROVIDER_FLAGS_H_

#include <string>
#include <vector>

#include <google/protobuf/field_mask.pb.h>

#include "dmarcate/v1/provider.pb.h"

namespace CLI {
class App;
}

namespace dmarcate::cli {

struct ProviderFlags {
  std::string api_url, server_id, server, key_name, algorithm, program, provider_class, secret;
  std::vector<std::string> zones, settings;

  void Add(CLI::App* command);
  // A flag that was given and is not for accounts of this type, as a sentence; empty: there is
  // none. One that is passed over could send a secret elsewhere than was meant.
  static std::string Misplaced(const CLI::App& command, const std::string& type);
  // Puts what was given into the configuration of `to`, which is of `type`, and the paths of it
  // into `mask`, if there is one: then --set changes single settings, and KEY= takes one away.
  // Gives what is wrong with a flag, or nothing.
  std::string Fill(const CLI::App& command, const std::string& type, v1::DnsProvider* to,
                   google::protobuf::FieldMask* mask) const;
};

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_PROVIDER_FLAGS_H_
