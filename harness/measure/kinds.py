"""Operators by name: which elementwise work each one is, and which do none."""

# Kinds whose work is one step per *input* element, as torchstat has it for pooling.
POOLING = {
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "max_pool2d_with_indices",
    "max_pool3d_with_indices", "fractional_max_pool2d", "fractional_max_pool3d",
}  # fmt: skip
SORTING = {
    "sort", "topk", "kthvalue", "argsort", "unique_dim", "_unique2", "median", "searchsorted",
    "nanmedian", "mode", "unique_consecutive", "bucketize", "isin",
}  # fmt: skip
REDUCTIONS = {
    "sum", "mean", "amax", "amin", "max", "min", "argmax", "argmin", "prod", "std", "var",
    "var_mean", "std_mean", "logsumexp", "norm", "linalg_vector_norm", "any", "all", "cumsum",
    "cumprod", "logcumsumexp", "cummax", "cummin", "aminmax", "nansum", "count_nonzero",
    "nonzero", "nonzero_static", "trace", "equal", "allclose", "dist", "renorm", "segment_reduce",
    "hash_tensor",
    # losses: each element is compared with its target, whatever is left of it afterwards
    "mse_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "nll_loss", "nll_loss_forward", "nll_loss2d",
    "nll_loss2d_forward", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_margin_loss_forward",
}  # fmt: skip

KINDS: dict[str, str] = {
    **dict.fromkeys(
        (
            "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
            "cudnn_batch_norm", "miopen_batch_norm", "batch_norm_with_update",
            "_batch_norm_with_update", "_batch_norm_no_update",
        ),
        "batch_norm",
    ),
    "native_group_norm": "group_norm",
    "native_layer_norm": "layer_norm",
    "_fused_rms_norm": "layer_norm",
    "relu": "relu",
    "threshold": "relu",
    "_softmax": "softmax",
    "_log_softmax": "softmax",
    "_safe_softmax": "softmax",
    **dict.fromkeys(
        (
            "sigmoid", "tanh", "softplus", "leaky_relu", "elu", "gelu", "silu", "mish", "hardtanh",
            "hardsigmoid", "hardswish", "log_sigmoid_forward", "log_sigmoid",
            "_prelu_kernel", "celu", "selu",
            "glu", "rrelu_with_noise",
        ),
        "activation",
    ),
    "mul": "mul",
    "add": "add",
    "sub": "add",
    "rsub": "add",
    "div": "div",
    "floor_divide": "div",
    "reciprocal": "div",
    **dict.fromkeys(
        (
            "upsample_bilinear2d", "upsample_nearest2d", "upsample_bicubic2d", "upsample_linear1d",
            "upsample_nearest1d", "_upsample_nearest_exact2d", "_upsample_bilinear2d_aa",
            "_upsample_bicubic2d_aa", "grid_sampler_2d", "grid_sampler_3d", "upsample_trilinear3d",
            "upsample_nearest3d", "_upsample_nearest_exact1d", "_upsample_nearest_exact3d",
        ),
        "interpolate",
    ),
    **dict.fromkeys(
        (
            "clone", "copy", "_to_copy", "cat", "stack", "index_select", "gather", "index",
            "im2col", "constant_pad_nd", "reflection_pad2d", "replication_pad2d", "roll", "flip",
            "embedding", "repeat", "repeat_interleave", "tril", "triu", "take", "masked_select",
            "reflection_pad1d", "replication_pad1d", "reflection_pad3d", "replication_pad3d",
            "select_scatter", "slice_scatter",
            "_unsafe_index", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle",
            "unfold_backward", "slice_backward", "select_backward", "index_copy",
            "diagonal_backward", "scatter", "as_strided_scatter", "diagonal_scatter", "diag_embed",
            "block_diag", "rot90", "index_fill", "_chunk_cat", "complex",
            "_unsafe_masked_index", "sparse_mask",
        ),
        "copy",
    ),
    **dict.fromkeys(
        ("scatter_add", "index_add", "index_put", "_index_put_impl", "col2im", "scatter_reduce",
         "embedding_dense_backward", "masked_scatter", "_unsafe_index_put", "index_reduce",
         "put", "max_unpool2d", "max_unpool3d", "_unsafe_masked_index_put_accumulate",
         "bincount", "histc"),
        "scatter",
    ),
    "masked_fill": "select",
    "where": "select",
    "native_dropout": "dropout",
    "bernoulli": "dropout",
    "polar": "pointwise",
    "softshrink": "pointwise",
    "hardshrink": "pointwise",
    "linalg_cross": "pointwise",
}  # fmt: skip

CREATION = {
    "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "zeros", "zeros_like",
    "new_zeros", "ones", "ones_like", "new_ones", "full", "full_like", "new_full", "arange",
    "linspace", "eye", "scalar_tensor", "rand", "randn", "rand_like", "randn_like", "randint",
    "randperm", "fill", "zero", "normal", "uniform", "_local_scalar_dense", "lift_fresh", "lift",
    "set", "resize", "detach_copy", "_assert_async", "_assert_tensor_metadata", "sym_size",
    "as_strided", "squeeze", "unsqueeze", "transpose", "t", "swapaxes", "detach",  # in-place views
    "is_same_size", "_has_compatible_shallow_copy_type", "prim_device", "random", "item",
    "unsafe_split", "unsafe_split_with_sizes", "unsafe_chunk", "empty_permuted", "randint_like",
    "cauchy", "exponential", "geometric", "log_normal", "logspace", "tril_indices", "triu_indices",
    "resize_as", "_efficientzerotensor", "_linalg_check_errors",
}  # fmt: skip

# Namespaces whose operators go by the names here. Of any other (torchvision, a user's own) an
# operator may be called as one of ATen is and do something else.
OURS = {"aten", "context_modules", "higher_order"}
NO_WORK = {"profiler"}
