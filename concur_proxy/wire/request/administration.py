"""The engines' administration paths, so that a refusal can say what it refuses; the allow-list keeps them out.

Read from vLLM 0.32.0 (`vllm/entrypoints`: serve/dev, rl/online, serve/profile, serve/lora, serve/elastic_ep,
serve/fault_tolerance, scale_out, instrumentator) and SGLang 0.5.23 (`sglang/srt/entrypoints/http_server.py`,
elastic_ep.py), with names of older versions.
"""

VLLM_ADMINISTRATION = frozenset(
    {
        "/abort_requests",
        "/collective_rpc",
        "/fault_tolerance/apply",
        "/fault_tolerance/status",
        "/finish_weight_update",
        "/get_world_size",
        "/inference/v1/abort_requests",
        "/init_weight_transfer_engine",
        "/is_paused",
        "/is_scaling_elastic_ep",
        "/is_sleeping",
        "/kv_event_sources",
        "/pause",
        "/release_kv_cache_memory",
        "/reset_encoder_cache",
        "/reset_mm_cache",
        "/reset_prefix_cache",
        "/resume",
        "/scale_elastic_ep",
        "/server_info",
        "/shutdown_weight_transfer_engine",
        "/sleep",
        "/start_draft_weight_update",
        "/start_profile",
        "/start_weight_update",
        "/stop_profile",
        "/update_weight_version",
        "/update_weights",
        "/v1/load_lora_adapter",
        "/v1/unload_lora_adapter",
        "/wake_up",
        "/weight_checker",
        "/weight_info",
    }
)

SGLANG_ADMINISTRATION = frozenset(
    {
        "/abort_request",
        "/add_external_corpus",
        "/begin_weight_update",
        "/clear_hicache_storage_backend",
        "/configure_logging",
        "/continue_generation",
        "/destroy_weights_update_group",
        "/dump_expert_distribution_record",
        "/end_weight_update",
        "/flush_cache",
        "/freeze_gc",
        "/get_hicache_l3_cache_layout",
        "/get_internal_state",
        "/get_remote_instance_transfer_engine_info",
        # it answers with every start argument, `api_key` and `admin_api_key` included (ServerArgs.resolved_dict)
        "/get_server_info",
        "/get_weights_by_name",
        "/init_weights_send_group_for_remote_instance",
        "/init_weights_update_group",
        "/list_external_corpora",
        "/load_lora_adapter",
        "/load_lora_adapter_from_tensors",
        "/pause_generation",
        "/pd_role_switch",
        "/release_memory_occupation",
        "/remote_instance_transfer_engine_info",
        "/remove_external_corpus",
        "/resume_memory_occupation",
        "/send_weights_to_remote_instance",
        "/server_info",
        "/set_internal_state",
        "/set_trace_level",
        "/slow_down",
        "/start_expert_distribution_record",
        "/start_profile",
        "/stop_expert_distribution_record",
        "/stop_profile",
        "/unload_lora_adapter",
        "/update_weight_version",
        "/update_weights_from_disk",
        "/update_weights_from_distributed",
        "/update_weights_from_ipc",
        "/update_weights_from_tensor",
        "/weights_checker",
    }
)

ADMINISTRATION_FAMILIES = ("/dumper/", "/fault_tolerance/", "/hicache/", "/debug/")
"""Prefixes under which everything is administration."""

_EXACT = VLLM_ADMINISTRATION | SGLANG_ADMINISTRATION


def is_administration(path: str) -> bool:
    """Whether either engine has `path` for administration, whatever its case and however many its slashes."""
    plain = "/" + "/".join(segment for segment in path.lower().split("/") if segment)
    return plain in _EXACT or plain.startswith(ADMINISTRATION_FAMILIES)
