"""One engine kind's metrics a file. Each has `collect(model, options)`, which yields what that kind would export."""
