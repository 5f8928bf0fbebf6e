#include "cli/provider_flags.h"

#include <set>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

bool IsHosted(const std::string& type) {
  return type != "powerdns" && type != "rfc2136" && type != "exec" && type != "manual";
}

}  // namespace

void ProviderFlags::Add(CLI::App* command) {
  command->add_option(
      "--secret", secret,
      "name of a secret of policyd's, a file in its secrets directory: API key or token, "
      "or TSIG key in base64; manual takes none");
  command->add_option("--api-url", api_url, "powerdns: http://127.0.0.1:8081");
  command->add_option("--server-id", server_id, "powerdns: default localhost");
  command->add_option("--address", server,
                      "rfc2136: ADDRESS:PORT of the primary; without a port 53");
  command
      ->add_option("--zone", zones,
                   "rfc2136: zones that the key may update; manual: that a person does")
      ->delimiter(',');
  command->add_option("--key-name", key_name, "rfc2136: name of the TSIG key");
  command->add_option("--algorithm", algorithm, "rfc2136: default hmac-sha256");
  command->add_option("--program", program,
                      "exec: name of a [[program]] of policyd's configuration");
  command
      ->add_option("--class", provider_class, "exec: what the program promises, A to D; default C")
      ->check(CLI::IsMember({"A", "B", "C", "D"}).description(""));
  command->add_option("--set", settings, "a host's own settings: KEY=VALUE; may be repeated")
      ->check([](const std::string& text) {
        return text.find('=') == std::string::npos ? "want KEY=VALUE" : std::string();
      });
}

std::string ProviderFlags::Misplaced(const CLI::App& command, const std::string& type) {
  const bool exec = type == "exec", manual = type == "manual";
  struct Flag {
    const char* name;
    bool taken;
    const char* takers;
  };
  const Flag kFlags[] = {
      {"--api-url", type == "powerdns", "powerdns"},
      {"--server-id", type == "powerdns", "powerdns"},
      {"--address", type == "rfc2136", "rfc2136"},
      {"--zone", type == "rfc2136" || manual, "rfc2136 and manual"},
      {"--key-name", type == "rfc2136", "rfc2136"},
      {"--algorithm", type == "rfc2136", "rfc2136"},
      {"--program", exec, "exec"},
      {"--class", exec, "exec"},
      {"--secret", !manual, "all types but manual"},
      {"--set", IsHosted(type), "the hosts"},
  };
  for (const Flag& flag : kFlags) {
    if (flag.taken || command.count(flag.name) == 0) continue;
    return fmt::format("{} is not for providers of type {}; it is for {}", flag.name,
                       EscapeForTerminal(type), flag.takers);
  }
  return "";
}

std::string ProviderFlags::Fill(const CLI::App& command, const std::string& type,
                                v1::DnsProvider* to, google::protobuf::FieldMask* mask) const {
  const std::string field = IsHosted(type) ? "hosted" : type;
  const auto given = [&](const char* flag, const char* path) {
    if (command.count(flag) == 0) return false;
    if (mask != nullptr) mask->add_paths(fmt::format("{}.{}", field, path));
    return true;
  };
  if (type == "powerdns") {
    auto* config = to->mutable_powerdns();
    if (given("--api-url", "api_url")) config->set_api_url(api_url);
    if (given("--server-id", "server_id")) config->set_server_id(server_id);
    if (given("--secret", "secret")) config->set_secret(secret);
  } else if (type == "rfc2136") {
    auto* config = to->mutable_rfc2136();
    if (given("--address", "server")) config->set_server(server);
    if (given("--key-name", "key_name")) config->set_key_name(key_name);
    if (given("--algorithm", "algorithm")) config->set_algorithm(algorithm);
    if (given("--secret", "secret")) config->set_secret(secret);
    if (given("--zone", "zones")) *config->mutable_zones() = {zones.begin(), zones.end()};
  } else if (type == "exec") {
    auto* config = to->mutable_exec();
    if (given("--program", "program")) config->set_program(program);
    if (given("--secret", "secret")) config->set_secret(secret);
    if (given("--class", "provider_class")) {
      config->set_provider_class(
          static_cast<v1::ProviderClass>(v1::PROVIDER_CLASS_A + (provider_class.front() - 'A')));
    }
  } else if (type == "manual") {
    auto* config = to->mutable_manual();
    if (given("--zone", "zones")) *config->mutable_zones() = {zones.begin(), zones.end()};
  } else {
    auto* config = to->mutable_hosted();
    config->set_type(type);
    if (given("--secret", "secret")) config->set_secret(secret);
    given("--set", "settings");
    std::set<std::string> seen;
    for (const std::string& setting : settings) {
      const size_t equals = setting.find('=');
      const std::string key = setting.substr(0, equals), value = setting.substr(equals + 1);
      if (!seen.insert(key).second) {
        return fmt::format("--set {}: given twice", EscapeForTerminal(key));
      }
      if (mask != nullptr && value.empty()) {
        config->mutable_settings()->erase(key);
      } else {
        (*config->mutable_settings())[key] = value;
      }
    }
  }
  return "";
}

}  // namespace dmarcate::cli
