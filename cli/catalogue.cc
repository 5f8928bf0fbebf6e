#include "cli/catalogue.h"

#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/call.h"
#include "cli/catalogue_text.h"
#include "cli/messages.h"
#include "dmarcate/v1/catalogue.grpc.pb.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using Stub = v1::CatalogueService::Stub;

const std::map<std::string, v1::MailService::Kind> kKinds = {
    {"mailbox", v1::MailService::KIND_MAILBOX},
    {"delivery", v1::MailService::KIND_DELIVERY},
    {"marketing", v1::MailService::KIND_MARKETING},
    {"application", v1::MailService::KIND_APPLICATION},
    {"gateway", v1::MailService::KIND_GATEWAY},
    {"forwarder", v1::MailService::KIND_FORWARDER}};
const std::map<std::string, v1::MailService::SpfAlignment> kAlignments = {
    {"unknown", v1::MailService::SPF_ALIGNMENT_UNSPECIFIED},
    {"include", v1::MailService::SPF_ALIGNMENT_BY_INCLUDE},
    {"return_path", v1::MailService::SPF_ALIGNMENT_CUSTOM_RETURN_PATH},
    {"never", v1::MailService::SPF_ALIGNMENT_NEVER}};
const std::map<std::string, v1::MailService::Origin> kOrigins = {
    {"shipped", v1::MailService::ORIGIN_SHIPPED},
    {"file", v1::MailService::ORIGIN_FILE},
    {"api", v1::MailService::ORIGIN_API}};

// The words of a field, and where they go.
struct ListField {
  const char* option;
  const char* path;
  const char* help;
  google::protobuf::RepeatedPtrField<std::string>* (v1::MailService::*words)();
};
constexpr ListField kLists[] = {
    {"--spf-include", "spf_includes", "names whose SPF record lists it; the first one is proposed",
     &v1::MailService::mutable_spf_includes},
    {"--dkim-domain", "dkim_domains", "domains it signs with on its own account",
     &v1::MailService::mutable_dkim_domains},
    {"--envelope-domain", "envelope_domains", "envelope domains of its own",
     &v1::MailService::mutable_envelope_domains},
    {"--selector", "selectors", "selectors it signs as you with; '#' is one or more digits",
     &v1::MailService::mutable_selectors},
    {"--reverse-name", "reverse_names", "names of its addresses, confirmed both ways",
     &v1::MailService::mutable_reverse_names},
    {"--mx-name", "mx_names", "servers that receive its customers' mail",
     &v1::MailService::mutable_mx_names},
    {"--range", "ranges", "address ranges of its own", &v1::MailService::mutable_ranges},
    {"--shares", "shares", "services whose include it uses", &v1::MailService::mutable_shares}};

struct Options {
  std::string service, name, kind, spf, setup, url;
  std::vector<std::vector<std::string>> lists =
      std::vector<std::vector<std::string>>(std::size(kLists));
  std::vector<std::string> origins;
  bool dry_run = false;
  PageOptions page;
};

std::string ServiceResource(const std::string& id) {
  return id.starts_with("mailServices/") ? id : "mailServices/" + id;
}

void PrintService(const App& app, const v1::MailService& service, bool dry_run) {
  google::protobuf::RepeatedPtrField<v1::MailService> one;
  *one.Add() = service;
  if (app.format() == Format::kTable || app.format() == Format::kWide) {
    WriteOut(MailServiceText(service));
  } else {
    Print(app.format(), service, "", MailServiceTable(one));
  }
  if (dry_run) app.Note("checked only; nothing was kept");
}

// What was given on the command line, by path.
std::vector<std::string> Given(const CLI::App& command, const Options& options,
                               v1::MailService* out) {
  std::vector<std::string> paths;
  const auto given = [&](const char* option, const char* path) {
    if (command.count(option) == 0) return false;
    paths.emplace_back(path);
    return true;
  };
  if (given("--name", "display_name")) out->set_display_name(options.name);
  if (given("--kind", "kind")) out->set_kind(kKinds.at(options.kind));
  if (given("--spf", "spf_alignment")) out->set_spf_alignment(kAlignments.at(options.spf));
  if (given("--setup", "setup")) out->set_setup(options.setup);
  if (given("--url", "url")) out->set_url(options.url);
  for (size_t i = 0; i < std::size(kLists); ++i) {
    if (!given(kLists[i].option, kLists[i].path)) continue;
    for (const std::string& word : options.lists[i]) {
      if (!word.empty()) (out->*kLists[i].words)()->Add(std::string(word));
    }
  }
  return paths;
}

int Add(App* app, const CLI::App& command, const Options& options) {
  v1::CreateMailServiceRequest request;
  request.set_mail_service_id(options.service);
  request.set_validate_only(options.dry_run);
  Given(command, options, request.mutable_mail_service());
  v1::CreateMailServiceResponse response;
  const auto stub = v1::CatalogueService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::CreateMailService, request, &response);
  if (!status.ok()) return app->Fail("service not added", status);
  PrintService(*app, response.mail_service(), options.dry_run);
  return kDone;
}

int Set(App* app, const CLI::App& command, const Options& options) {
  v1::UpdateMailServiceRequest request;
  const auto paths = Given(command, options, request.mutable_mail_service());
  if (paths.empty()) {
    return app->Fail(kUsage, "USAGE", "catalogue set", "nothing to change",
                     {"dmarcate catalogue set --help"});
  }
  for (const std::string& path : paths) request.mutable_update_mask()->add_paths(path);
  const auto stub = v1::CatalogueService::NewStub(app->policyd());
  v1::GetMailServiceRequest find;
  find.set_name(ServiceResource(options.service));
  v1::GetMailServiceResponse found;
  grpc::Status status = Call(app, *stub, &Stub::GetMailService, find, &found);
  if (!status.ok()) return app->Fail("service not changed", status);
  request.mutable_mail_service()->set_name(find.name());
  request.mutable_mail_service()->set_etag(found.mail_service().etag());
  request.set_validate_only(options.dry_run);
  v1::UpdateMailServiceResponse response;
  status = Call(app, *stub, &Stub::UpdateMailService, request, &response);
  if (!status.ok()) return app->Fail("service not changed", status);
  PrintService(*app, response.mail_service(), options.dry_run);
  return kDone;
}

int Remove(App* app, const Options& options) {
  const auto stub = v1::CatalogueService::NewStub(app->policyd());
  v1::GetMailServiceRequest find;
  find.set_name(ServiceResource(options.service));
  v1::GetMailServiceResponse found;
  grpc::Status status = Call(app, *stub, &Stub::GetMailService, find, &found);
  if (!status.ok()) return app->Fail("service not removed", status);
  v1::DeleteMailServiceRequest request;
  request.set_name(find.name());
  request.set_etag(found.mail_service().etag());
  request.set_validate_only(options.dry_run);
  v1::DeleteMailServiceResponse response;
  status = Call(app, *stub, &Stub::DeleteMailService, request, &response);
  if (!status.ok()) return app->Fail("service not removed", status);
  PrintService(*app, found.mail_service(), false);
  app->Note(options.dry_run ? "checked only; it is still there" : "removed");
  return kDone;
}

int List(App* app, const Options& options) {
  v1::ListMailServicesRequest request;
  options.page.Fill(&request);
  for (const std::string& origin : options.origins) request.add_origins(kOrigins.at(origin));
  v1::ListMailServicesResponse response;
  const auto stub = v1::CatalogueService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::ListMailServices, request, &response);
  if (!status.ok()) return app->Fail("catalogue not listed", status);
  Print(app->format(), response, "mail_services", MailServiceTable(response.mail_services()));
  NoteNextPage(*app, response);
  return kDone;
}

int Get(App* app, const Options& options) {
  v1::GetMailServiceRequest request;
  request.set_name(ServiceResource(options.service));
  v1::GetMailServiceResponse response;
  const auto stub = v1::CatalogueService::NewStub(app->policyd());
  const grpc::Status status = Call(app, *stub, &Stub::GetMailService, request, &response);
  if (!status.ok()) return app->Fail("service not read", status);
  PrintService(*app, response.mail_service(), false);
  return kDone;
}

template <typename Words>
std::vector<std::string> KeysOf(const Words& words) {
  std::vector<std::string> out;
  for (const auto& [word, value] : words) out.push_back(word);
  return out;
}

void AddFields(CLI::App* command, const std::shared_ptr<Options>& options) {
  command->add_option("--name", options->name, "as it calls itself");
  command->add_option("--kind", options->kind, Join(KeysOf(kKinds), ", "))
      ->check(CLI::IsMember(KeysOf(kKinds)));
  for (size_t i = 0; i < std::size(kLists); ++i) {
    command->add_option(kLists[i].option, options->lists[i], kLists[i].help)->delimiter(',');
  }
  command
      ->add_option("--spf", options->spf,
                   "how SPF aligns: include, return_path (with one of yours), never")
      ->check(CLI::IsMember(KeysOf(kAlignments)));
  command->add_option("--setup", options->setup, "what to publish, a sentence");
  command->add_option("--url", options->url, "its own instructions, https");
  command->add_flag("--dry-run", options->dry_run, "check only");
}

}  // namespace

void AddCatalogue(CLI::App* root, App* app) {
  auto options = std::make_shared<Options>();
  CLI::App* group =
      root->add_subcommand("catalogue", "mail services that are known, and those of your own");
  group->require_subcommand(1);
  const auto one = [&options](CLI::App* command) {
    command->add_option("SERVICE", options->service, "its id: \"shop\"")->required();
  };

  CLI::App* list = group->add_subcommand("list", "all services, by id");
  list->add_option("--origin", options->origins, "shipped, file, api")
      ->check(CLI::IsMember(KeysOf(kOrigins)));
  options->page.Add(list);
  list->footer("Examples:\n  dmarcate catalogue list --origin api -o csv");
  app->OnSelected(list, [app, options] { return List(app, *options); });

  CLI::App* get = group->add_subcommand("get", "one service");
  one(get);
  get->footer("Examples:\n  dmarcate catalogue get sendgrid");
  app->OnSelected(get, [app, options] { return Get(app, *options); });

  CLI::App* add = group->add_subcommand("add", "a service of your own, or a better entry");
  one(add);
  AddFields(add, options);
  add->footer(
      "Examples:\n  dmarcate catalogue add shop --name 'Our shop system' --kind application "
      "--dkim-domain shop.example.net --spf never");
  app->OnSelected(add, [app, options, add] { return Add(app, *add, *options); });

  CLI::App* set = group->add_subcommand("set", "change what is given; the rest stays as it is");
  one(set);
  AddFields(set, options);
  set->footer("Examples:\n  dmarcate catalogue set shop --selector 'shop#' --range ''");
  app->OnSelected(set, [app, options, set] { return Set(app, *set, *options); });

  CLI::App* remove = group->add_subcommand("remove", "take a service of your own away");
  one(remove);
  remove->add_flag("--dry-run", options->dry_run, "check only");
  remove->footer("Examples:\n  dmarcate catalogue remove shop");
  app->OnSelected(remove, [app, options] { return Remove(app, *options); });
}

}  // namespace dmarcate::cli
