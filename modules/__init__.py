"""Context modules of semantic segmentation, one file per mechanism; `modules.catalog` lists them."""
