// dmarcate alerts: who is told of insights, and what was told.

#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/alert_text.h"
#include "cli/app.h"
#include "cli/call.h"
#include "cli/messages.h"
#include "dmarcate/v1/alert.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::AlertService::Stub;

struct Options {
  std::string channel, url, secret, severity = "warning";
  std::vector<std::string> recipients, domains, codes, states;
  bool syslog = false, without_cleared = false, digest = false, dry_run = false, html = false;
  PageOptions page;
};

std::string ChannelResource(const std::string& name) {
  return name.empty() || name.starts_with("alertChannels/") ? name : "alertChannels/" + name;
}

void PrintChannel(const App& app, const v1::AlertChannel& channel) {
  google::protobuf::RepeatedPtrField<v1::AlertChannel> one;
  *one.Add() = channel;
  Print(app.format(), channel, "", ChannelTable(one));
}

v1::Severity SeverityOf(const Options& options) {
  return options.severity == "info"    ? v1::SEVERITY_INFO
         : options.severity == "error" ? v1::SEVERITY_ERROR
                                       : v1::SEVERITY_WARNING;
}

int Add(App* app, const Options& options) {
  const int kinds = (options.url.empty() ? 0 : 1) + (options.recipients.empty() ? 0 : 1) +
                    (options.syslog ? 1 : 0);
  if (kinds != 1) {
    return app->Fail(kUsage, "USAGE", "command line", "want one of --webhook, --mail and --syslog",
                     {"dmarcate alerts channels add --help"});
  }
  v1::CreateAlertChannelRequest request;
  request.set_alert_channel_id(options.channel);
  request.set_validate_only(options.dry_run);
  v1::AlertChannel* const channel = request.mutable_alert_channel();
  if (!options.url.empty()) {
    channel->mutable_webhook()->set_url(options.url);
    channel->mutable_webhook()->set_secret(options.secret);
  } else if (options.syslog) {
    channel->mutable_syslog();
  } else {
    for (const std::string& address : options.recipients) {
      channel->mutable_mail()->add_recipients(address);
    }
  }
  channel->set_min_severity(SeverityOf(options));
  for (const std::string& domain : options.domains) channel->add_domains(DomainResource(domain));
  for (const std::string& code : options.codes) channel->add_codes(code);
  channel->set_without_cleared(options.without_cleared);
  channel->set_digest(options.digest);
  v1::CreateAlertChannelResponse response;
  const auto stub = v1::AlertService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::CreateAlertChannel, request, &response);
  if (!status.ok()) return app->Fail("channel not added", status);
  PrintChannel(*app, response.alert_channel());
  if (options.dry_run) {
    app->Note("checked only; nothing was kept");
  } else {
    app->Note(fmt::format("try it: dmarcate alerts channels test {}", options.channel));
  }
  return kDone;
}

// What was given on the command line; the rest stays.
struct Changes {
  CLI::Option *url, *secret, *recipients, *severity, *domains, *codes, *without_cleared, *digest;
};

int Set(App* app, const Options& options, const Changes& given) {
  v1::UpdateAlertChannelRequest request;
  v1::AlertChannel channel;
  const auto change = [&request](const CLI::Option* option, const char* path) {
    if (option->count() == 0) return false;
    request.mutable_update_mask()->add_paths(path);
    return true;
  };
  const auto all = [](const std::vector<std::string>& words) {
    return words.size() == 1 && words.front() == "all";
  };
  if (change(given.url, "webhook.url")) channel.mutable_webhook()->set_url(options.url);
  if (change(given.secret, "webhook.secret")) channel.mutable_webhook()->set_secret(options.secret);
  if (change(given.recipients, "mail.recipients")) {
    for (const std::string& address : options.recipients) {
      channel.mutable_mail()->add_recipients(address);
    }
  }
  if (change(given.severity, "min_severity")) channel.set_min_severity(SeverityOf(options));
  if (change(given.domains, "domains") && !all(options.domains)) {
    for (const std::string& domain : options.domains) channel.add_domains(DomainResource(domain));
  }
  if (change(given.codes, "codes") && !all(options.codes)) {
    for (const std::string& code : options.codes) channel.add_codes(code);
  }
  if (change(given.without_cleared, "without_cleared")) {
    channel.set_without_cleared(options.without_cleared);
  }
  if (change(given.digest, "digest")) channel.set_digest(options.digest);
  if (request.update_mask().paths().empty()) {
    return app->Fail(kUsage, "USAGE", "alerts channels set", "nothing to change",
                     {"dmarcate alerts channels set --help"});
  }
  const auto stub = v1::AlertService::NewStub(app->policyd());
  v1::GetAlertChannelRequest find;
  find.set_name(ChannelResource(options.channel));
  v1::GetAlertChannelResponse found;
  grpc::Status status = Call(app, *stub, &Stub::GetAlertChannel, find, &found);
  if (!status.ok()) return app->Fail("channel not changed", status);
  channel.set_name(found.alert_channel().name());
  channel.set_etag(found.alert_channel().etag());
  *request.mutable_alert_channel() = channel;
  request.set_validate_only(options.dry_run);
  v1::UpdateAlertChannelResponse response;
  status = Call(app, *stub, &Stub::UpdateAlertChannel, request, &response);
  if (!status.ok()) return app->Fail("channel not changed", status);
  PrintChannel(*app, response.alert_channel());
  if (options.dry_run) app->Note("checked only; nothing was kept");
  return kDone;
}

int List(App* app, const Options& options) {
  v1::ListAlertChannelsRequest request;
  options.page.Fill(&request);
  v1::ListAlertChannelsResponse response;
  const auto stub = v1::AlertService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::ListAlertChannels, request, &response);
  if (!status.ok()) return app->Fail("channels not listed", status);
  Print(app->format(), response, "alert_channels", ChannelTable(response.alert_channels()));
  if (response.alert_channels().empty()) {
    app->Note("nobody is told; dmarcate alerts channels add --help says how");
  }
  NoteNextPage(*app, response);
  return kDone;
}

int Remove(App* app, const Options& options) {
  const auto stub = v1::AlertService::NewStub(app->policyd());
  v1::GetAlertChannelRequest find;
  find.set_name(ChannelResource(options.channel));
  v1::GetAlertChannelResponse found;
  grpc::Status status = Call(app, *stub, &Stub::GetAlertChannel, find, &found);
  if (!status.ok()) return app->Fail("channel not removed", status);
  v1::DeleteAlertChannelRequest request;
  request.set_name(find.name());
  request.set_etag(found.alert_channel().etag());
  request.set_validate_only(options.dry_run);
  v1::DeleteAlertChannelResponse response;
  status = Call(app, *stub, &Stub::DeleteAlertChannel, request, &response);
  if (!status.ok()) return app->Fail("channel not removed", status);
  PrintChannel(*app, found.alert_channel());
  app->Note(options.dry_run ? "checked only; it is still there" : "removed");
  return kDone;
}

int Test(App* app, const Options& options) {
  v1::TestAlertChannelRequest request;
  request.set_name(ChannelResource(options.channel));
  v1::TestAlertChannelResponse response;
  const auto stub = v1::AlertService::NewStub(app->policyd());
  // A mail relay may take its half minute.
  const grpc::Status status = Call(app, *stub, &Stub::TestAlertChannel, request, &response,
                                   App::Daemon::kPolicyd, absl::Seconds(40));
  if (!status.ok()) return app->Fail("channel not tested", status);
  google::protobuf::RepeatedPtrField<v1::AlertDelivery> one;
  *one.Add() = response.delivery();
  Print(app->format(), response.delivery(), "", DeliveryTable(one));
  return response.delivery().state() == v1::AlertDelivery::STATE_DELIVERED ? kDone : kFailed;
}

int History(App* app, const Options& options) {
  v1::ListAlertDeliveriesRequest request;
  options.page.Fill(&request);
  request.set_channel(ChannelResource(options.channel));
  for (const std::string& state : options.states) {
    request.add_states(state == "pending"     ? v1::AlertDelivery::STATE_PENDING
                       : state == "delivered" ? v1::AlertDelivery::STATE_DELIVERED
                                              : v1::AlertDelivery::STATE_FAILED);
  }
  v1::ListAlertDeliveriesResponse response;
  const auto stub = v1::AlertService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::ListAlertDeliveries, request, &response);
  if (!status.ok()) return app->Fail("history not read", status);
  Print(app->format(), response, "deliveries", DeliveryTable(response.deliveries()));
  NoteNextPage(*app, response);
  return kDone;
}

int Digest(App* app, const Options& options) {
  v1::PreviewDigestRequest request;
  for (const std::string& domain : options.domains) request.add_domains(DomainResource(domain));
  v1::PreviewDigestResponse response;
  const auto stub = v1::AlertService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::PreviewDigest, request, &response);
  if (!status.ok()) return app->Fail("no digest", status);
  if (app->format() == Format::kTable || app->format() == Format::kWide) {
    WriteOut(options.html ? response.html()
                          : fmt::format("{}\n\n{}", response.subject(), response.text()));
  } else {
    Table table({{"SUBJECT"}});
    table.Add(response.subject(), {response.subject()});
    Print(app->format(), response, "", table);
  }
  return kDone;
}

void AddChannels(CLI::App* alerts, App* app, const std::shared_ptr<Options>& options) {
  CLI::App* group = alerts->add_subcommand("channels", "whom to tell")->alias("channel");
  group->require_subcommand(1);
  const auto one = [&options](CLI::App* command) {
    command->add_option("CHANNEL", options->channel, "1 to 63 of a-z, 0-9, -")->required();
  };

  CLI::App* list = group->add_subcommand("list", "all channels");
  options->page.Add(list);
  list->footer("Examples:\n  dmarcate alerts channels list -o json");
  app->OnSelected(list, [app, options] { return List(app, *options); });

  CLI::App* add = group->add_subcommand("add", "tell somebody from now on");
  one(add);
  add->add_option("--webhook", options->url, "POST to this https URL, signed");
  add->add_option("--secret", options->secret,
                  "with --webhook: name of the file in policyd's secrets directory with the key");
  add->add_option("--mail", options->recipients, "addresses, through the relay of policyd.toml")
      ->delimiter(',');
  add->add_flag("--syslog", options->syslog, "lines in the syslog of policyd's machine");
  add->add_option("--min-severity", options->severity, "info, warning (default) or error")
      ->check(CLI::IsMember({"info", "warning", "error"}));
  add->add_option("--domain", options->domains, "these domains alone; default: all")
      ->delimiter(',');
  add->add_option("--code", options->codes, "these codes alone: SPF_DANGLING")->delimiter(',');
  add->add_flag("--without-cleared", options->without_cleared,
                "do not tell that something is no longer so");
  add->add_flag("--digest", options->digest, "send the weekly digest, too");
  add->add_flag("--dry-run", options->dry_run, "check only");
  add->footer(
      "Examples:\n"
      "  dmarcate alerts channels add ops --mail ops@example.com --digest\n"
      "  dmarcate alerts channels add chat --webhook https://hooks.example.com/dmarcate --secret "
      "hook-key\n"
      "  dmarcate alerts channels add log --syslog --min-severity info");
  app->OnSelected(add, [app, options] { return Add(app, *options); });

  CLI::App* set = group->add_subcommand("set", "change what is given; the rest stays as it is");
  one(set);
  Changes given = {};
  given.url = set->add_option("--webhook", options->url, "another https URL; the secret stays");
  given.secret = set->add_option("--secret", options->secret,
                                 "another file with the key of the signatures; the URL stays");
  given.recipients =
      set->add_option("--mail", options->recipients, "these addresses, in place of those there are")
          ->delimiter(',');
  given.severity = set->add_option("--min-severity", options->severity, "info, warning or error")
                       ->check(CLI::IsMember({"info", "warning", "error"}));
  given.domains =
      set->add_option("--domain", options->domains, "these domains alone, or: all")->delimiter(',');
  given.codes =
      set->add_option("--code", options->codes, "these codes alone, or: all")->delimiter(',');
  given.without_cleared =
      set->add_flag("--without-cleared,!--with-cleared", options->without_cleared,
                    "do not tell, or do tell, that something is no longer so");
  given.digest = set->add_flag("--digest,!--without-digest", options->digest,
                               "send the weekly digest, or send it no more");
  set->add_flag("--dry-run", options->dry_run, "check only");
  set->footer(
      "Examples:\n"
      "  dmarcate alerts channels set ops --mail ops@example.com,dns@example.com\n"
      "  dmarcate alerts channels set chat --secret new-hook-key\n"
      "  dmarcate alerts channels set chat --domain all --without-digest");
  app->OnSelected(set, [app, options, given] { return Set(app, *options, given); });

  CLI::App* test =
      group->add_subcommand("test", "send one message now, and say whether it arrived");
  one(test);
  test->footer("Examples:\n  dmarcate alerts channels test ops");
  app->OnSelected(test, [app, options] { return Test(app, *options); });

  CLI::App* remove = group->add_subcommand("remove", "tell nobody through it any more");
  one(remove);
  remove->add_flag("--dry-run", options->dry_run, "check only");
  remove->footer("Examples:\n  dmarcate alerts channels remove ops");
  app->OnSelected(remove, [app, options] { return Remove(app, *options); });
}

}  // namespace

void AddAlerts(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group =
      root->add_subcommand("alerts", "who is told of insights, and what was told")->alias("alert");
  group->require_subcommand(1);
  AddChannels(group, app, options);

  CLI::App* history = group->add_subcommand("history", "what was told, newest first");
  history->add_option("--channel", options->channel, "this channel alone");
  history->add_option("--state", options->states, "pending, delivered, failed")
      ->check(CLI::IsMember({"pending", "delivered", "failed"}));
  options->page.Add(history);
  history->footer(
      "Examples:\n  dmarcate alerts history\n  dmarcate alerts history --state failed -o csv");
  app->OnSelected(history, [app, options] { return History(app, *options); });

  CLI::App* digest =
      group->add_subcommand("digest", "the weekly digest as it would be now; sends nothing");
  digest->add_option("DOMAIN", options->domains, "default: all that are managed");
  digest->add_flag("--html", options->html, "the HTML of the mail");
  digest->footer(
      "Examples:\n  dmarcate alerts digest example.com\n"
      "  dmarcate alerts digest --html > digest.html");
  app->OnSelected(digest, [app, options] { return Digest(app, *options); });
}

}  // namespace dmarcate::cli
